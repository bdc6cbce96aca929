namespace BulkIn.Backends;

/// <summary>The facts of an IN endpoint that the queue checks its options against and names in messages.</summary>
/// <param name="Address">The endpoint address, 0x81 to 0x8F (USB 2.0 section 9.6.6, bEndpointAddress).</param>
/// <param name="TransferType">Bulk or interrupt; anything else is refused.</param>
/// <param name="MaxPacketSize">wMaxPacketSize in bytes in the active alternate setting, without the high-bandwidth bits; positive.</param>
public sealed record BulkInEndpoint(byte Address, EndpointTransferType TransferType, int MaxPacketSize)
{
    /// <summary>How messages name the device, for example <c>17e9:6006 on bus 2 port 1</c>; empty when unknown.</summary>
    public string DeviceName { get; init; } = "";
}

/// <summary>An endpoint's transfer type; the values are those of bmAttributes bits 1..0 (USB 2.0 section 9.6.6).</summary>
public enum EndpointTransferType
{
    /// <summary>Control.</summary>
    Control = 0,

    /// <summary>Isochronous.</summary>
    Isochronous = 1,

    /// <summary>Bulk.</summary>
    Bulk = 2,

    /// <summary>Interrupt.</summary>
    Interrupt = 3,
}
