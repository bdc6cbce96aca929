namespace BulkIn.VirtualUsb;

/// <summary>How an endpoint transfers, with the number of the descriptor's attribute bits.</summary>
public enum EndpointKind
{
    /// <summary>Control: only endpoint 0, which every device has and no description lists.</summary>
    Control = 0,

    /// <summary>Bulk.</summary>
    Bulk = 2,

    /// <summary>Interrupt.</summary>
    Interrupt = 3,
}

/// <summary>An endpoint of a virtual device.</summary>
/// <param name="Address">Its address: bit 7 set is IN.</param>
/// <param name="Kind">Bulk or interrupt.</param>
public sealed record EndpointDescription(byte Address, EndpointKind Kind = EndpointKind.Bulk)
{
    /// <summary>Largest packet in bytes; 0, the default, is the largest that the device's speed allows to a bulk endpoint, 64 for an interrupt endpoint.</summary>
    public int MaxPacketSize { get; init; }

    /// <summary>Packets a SuperSpeed device sends in one burst, less one: 0 (the default) to 15.</summary>
    public int MaxBurst { get; init; }

    /// <summary>The polling interval of an interrupt endpoint, as the descriptor counts it. Default 4.</summary>
    public byte Interval { get; init; } = 4;

    /// <summary>True for a device-to-host endpoint.</summary>
    public bool IsIn => (Address & 0x80) != 0;

    /// <summary>The packet size at a speed.</summary>
    /// <param name="speed">The device's speed.</param>
    public int PacketSize(UsbSpeed speed) => (MaxPacketSize, Kind, speed) switch
    {
        ( > 0, _, _) => MaxPacketSize,
        (_, EndpointKind.Interrupt, _) => 64,
        (_, _, UsbSpeed.Super) => 1024,
        (_, _, UsbSpeed.High) => 512,
        _ => 64,
    };
}

/// <summary>An interface, in one alternate setting, of a virtual device.</summary>
/// <param name="Number">The interface's number.</param>
/// <param name="Endpoints">Its endpoints.</param>
public sealed record InterfaceDescription(byte Number, IReadOnlyList<EndpointDescription> Endpoints)
{
    /// <summary>The alternate setting these endpoints belong to; 0 is the one a configured device starts in.</summary>
    public byte AlternateSetting { get; init; }

    /// <summary>The class code; default 0xff, vendor specific.</summary>
    public byte Class { get; init; } = 0xff;

    /// <summary>The subclass code; default 0.</summary>
    public byte Subclass { get; init; }

    /// <summary>The protocol code; default 0.</summary>
    public byte Protocol { get; init; }
}
