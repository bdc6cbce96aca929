namespace BulkIn.VirtualUsb;

/// <summary>What a virtual device says it is. The descriptors are computed from it, or given as bytes.</summary>
public sealed record DeviceDescription
{
    /// <summary>The vendor's id.</summary>
    public required ushort VendorId { get; init; }

    /// <summary>The product's id.</summary>
    public required ushort ProductId { get; init; }

    /// <summary>The release number, binary coded decimal; default 1.00.</summary>
    public ushort Release { get; init; } = 0x0100;

    /// <summary>The speed it is attached with.</summary>
    public UsbSpeed Speed { get; init; } = UsbSpeed.Super;

    /// <summary>String 1; empty for none.</summary>
    public string Manufacturer { get; init; } = "";

    /// <summary>String 2; empty for none.</summary>
    public string Product { get; init; } = "";

    /// <summary>String 3; empty for none.</summary>
    public string SerialNumber { get; init; } = "";

    /// <summary>The interfaces of its one configuration; several entries with one number are alternate settings.</summary>
    public required IReadOnlyList<InterfaceDescription> Interfaces { get; init; }

    /// <summary>The device descriptor as bytes, instead of the computed one: for devices with unusual or broken descriptors.</summary>
    public ReadOnlyMemory<byte> RawDevice { get; init; }

    /// <summary>The whole configuration descriptor as bytes, instead of the computed one.</summary>
    public ReadOnlyMemory<byte> RawConfiguration { get; init; }
}
