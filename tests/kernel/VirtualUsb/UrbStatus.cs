namespace BulkIn.VirtualUsb;

/// <summary>How a URB ended, as the negative Linux error numbers that a USB/IP server answers with. Any other number may be answered too.</summary>
public static class UrbStatus
{
    /// <summary>It ended as it should.</summary>
    public const int Success = 0;

    /// <summary>The endpoint is halted (-EPIPE). libusb: STALL.</summary>
    public const int Stall = -32;

    /// <summary>A bus error (-EPROTO). libusb: ERROR.</summary>
    public const int Protocol = -71;

    /// <summary>A bad CRC or a missing answer (-EILSEQ). libusb: ERROR.</summary>
    public const int BadCrc = -84;

    /// <summary>The device did not answer (-ETIME). libusb: ERROR.</summary>
    public const int NoAnswer = -62;

    /// <summary>The device sent more than fits (-EOVERFLOW). libusb: OVERFLOW.</summary>
    public const int Overflow = -75;

    /// <summary>Unlinked, asynchronously (-ECONNRESET). libusb: CANCELLED.</summary>
    public const int Unlinked = -104;

    /// <summary>The device or the controller was shut down (-ESHUTDOWN). libusb: NO_DEVICE.</summary>
    public const int Shutdown = -108;

    /// <summary>No such device (-ENODEV). libusb: NO_DEVICE.</summary>
    public const int NoDevice = -19;

    private static readonly (string Name, int Status)[] Names =
    [
        ("ok", Success), ("stall", Stall), ("error", Protocol), ("crc", BadCrc), ("no-answer", NoAnswer), ("overflow", Overflow),
        ("unlinked", Unlinked), ("shutdown", Shutdown), ("no-device", NoDevice),
    ];

    /// <summary>The status a script names.</summary>
    /// <param name="name">One of ok, stall, error, crc, no-answer, overflow, unlinked, shutdown, no-device.</param>
    /// <param name="status">Its number.</param>
    /// <returns>False for any other word.</returns>
    public static bool TryParse(string name, out int status)
    {
        foreach ((string known, int value) in Names)
        {
            if (string.Equals(known, name, StringComparison.Ordinal))
            {
                status = value;
                return true;
            }
        }

        status = 0;
        return false;
    }
}
