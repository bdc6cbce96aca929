using BulkIn.Backends;

namespace BulkIn.LibUsb;

/// <summary>Copies libusb's device and configuration descriptors into managed records; no native memory outlives a call.</summary>
internal static unsafe class DescriptorReader
{
    // USB 3 allows 7 tiers: at most 7 ports between the root and a device.
    private const int DeepestPort = 7;

    /// <summary>Reads the device, without opening it. Null when its descriptor cannot be read (it is being unplugged).</summary>
    public static LibUsbDeviceInfo? ReadDevice(ILibUsb libusb, nint device)
    {
        if (libusb.GetDeviceDescriptor(device, out NativeDeviceDescriptor descriptor) != LibUsbCode.Success)
        {
            return null;
        }

        byte bus = libusb.GetBusNumber(device);
        Span<byte> ports = stackalloc byte[DeepestPort];
        int depth = libusb.GetPortNumbers(device, ports);
        string path = depth > 0 ? $"{bus}-{string.Join('.', ports[..Math.Min(depth, DeepestPort)].ToArray())}" : $"usb{bus}";
        int speed = libusb.GetDeviceSpeed(device);
        return new LibUsbDeviceInfo(
            descriptor.VendorId,
            descriptor.ProductId,
            SerialNumber: null,
            bus,
            path,
            libusb.GetDeviceAddress(device),
            speed is >= 0 and <= (int)LibUsbSpeed.SuperPlusX2 ? (LibUsbSpeed)speed : LibUsbSpeed.Unknown,
            ReadInterfaces(libusb, device));
    }

    /// <summary>Reads the alternate settings of the active configuration. Empty when there is none.</summary>
    public static IReadOnlyList<LibUsbInterfaceInfo> ReadInterfaces(ILibUsb libusb, nint device)
    {
        if (libusb.GetActiveConfigDescriptor(device, out NativeConfigDescriptor* configuration) != LibUsbCode.Success || configuration is null)
        {
            return [];
        }

        try
        {
            return Copy(configuration);
        }
        finally
        {
            libusb.FreeConfigDescriptor(configuration);
        }
    }

    /// <summary>Reads a string descriptor through an opened handle; null when the device has none or does not answer.</summary>
    public static string? ReadString(ILibUsb libusb, nint handle, byte index)
    {
        // A string descriptor has at most 126 characters; libusb converts each to one byte.
        Span<byte> text = stackalloc byte[128];
        int length = index == 0 ? 0 : libusb.GetStringDescriptorAscii(handle, index, text);
        return length > 0 ? System.Text.Encoding.ASCII.GetString(text[..Math.Min(length, text.Length)]) : null;
    }

    // SAFETY: libusb allocates each array with as many elements as its count says, and null or a count of 0 where there are none. Nothing points
    // into the descriptor after the copy.
    private static List<LibUsbInterfaceInfo> Copy(NativeConfigDescriptor* configuration)
    {
        List<LibUsbInterfaceInfo> copied = [];
        if (configuration->Interfaces is null)
        {
            return copied;
        }

        for (int i = 0; i < configuration->NumInterfaces; i++)
        {
            NativeInterface* native = configuration->Interfaces + i;
            if (native->AlternateSettings is null)
            {
                continue;
            }

            for (int j = 0; j < native->NumAlternateSettings; j++)
            {
                copied.Add(Copy(native->AlternateSettings + j));
            }
        }

        return copied;
    }

    private static LibUsbInterfaceInfo Copy(NativeInterfaceDescriptor* setting)
    {
        int count = setting->Endpoints is null ? 0 : setting->NumEndpoints;
        var endpoints = new LibUsbEndpointInfo[count];
        for (int k = 0; k < count; k++)
        {
            NativeEndpointDescriptor* endpoint = setting->Endpoints + k;

            // wMaxPacketSize bits 12..11 count additional transactions of high-bandwidth endpoints (USB 2.0 section 9.6.6).
            endpoints[k] = new LibUsbEndpointInfo(endpoint->EndpointAddress, (EndpointTransferType)(endpoint->Attributes & 3), endpoint->MaxPacketSize & 0x7FF);
        }

        return new LibUsbInterfaceInfo(
            setting->InterfaceNumber,
            setting->AlternateSetting,
            setting->InterfaceClass,
            setting->InterfaceSubClass,
            setting->InterfaceProtocol,
            endpoints);
    }
}
