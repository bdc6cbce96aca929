namespace BulkIn.Testing;

/// <summary>The LINKTYPE_ numbers of Linux USB captures (tcpdump.org/linktypes.html).</summary>
internal static class UsbLinkType
{
    /// <summary>LINKTYPE_USB_LINUX: a 48-byte header.</summary>
    public const int UsbLinux = 189;

    /// <summary>LINKTYPE_USB_LINUX_MMAPPED: a 64-byte header.</summary>
    public const int UsbLinuxMmapped = 220;

    public static bool IsKnown(int linkType) => linkType is UsbLinux or UsbLinuxMmapped;

    /// <summary>Refuses what is no Linux USB capture, by name where the number is a likely one.</summary>
    public static void Require(int linkType, long offset)
    {
        if (IsKnown(linkType))
        {
            return;
        }

        string name = linkType switch
        {
            0 => " (NULL)",
            1 => " (ETHERNET)",
            113 => " (LINUX_SLL)",
            186 => " (USB, FreeBSD's older form)",
            228 => " (IPV4)",
            249 => " (USBPCAP, recorded on Windows)",
            266 => " (USB_DARWIN, recorded on macOS)",
            288 => " (USB_2_0, recorded on the wire)",
            _ => "",
        };
        throw new CaptureFormatException(
            offset,
            $"Link type {linkType}{name} is not a Linux USB capture; {UsbLinux} (USB_LINUX) or {UsbLinuxMmapped} (USB_LINUX_MMAPPED) was expected");
    }
}
