namespace BulkIn.VirtualUsb;

/// <summary>A bus speed, with the number Linux gives it (<c>enum usb_device_speed</c>).</summary>
public enum UsbSpeed
{
    /// <summary>Not known.</summary>
    Unknown = 0,

    /// <summary>12 Mbit/s.</summary>
    Full = 2,

    /// <summary>480 Mbit/s: bulk packets of 512 bytes.</summary>
    High = 3,

    /// <summary>5 Gbit/s: bulk packets of 1024 bytes.</summary>
    Super = 5,
}
