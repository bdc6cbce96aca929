namespace BulkIn;

/// <summary>The speed a device negotiated; the values are those of libusb's <c>libusb_speed</c>.</summary>
public enum LibUsbSpeed
{
    /// <summary>The operating system does not report it.</summary>
    Unknown = 0,

    /// <summary>1.5 Mbit/s.</summary>
    Low = 1,

    /// <summary>12 Mbit/s.</summary>
    Full = 2,

    /// <summary>480 Mbit/s.</summary>
    High = 3,

    /// <summary>5 Gbit/s.</summary>
    Super = 4,

    /// <summary>10 Gbit/s.</summary>
    SuperPlus = 5,

    /// <summary>20 Gbit/s.</summary>
    SuperPlusX2 = 6,
}
