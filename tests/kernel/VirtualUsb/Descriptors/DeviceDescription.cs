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

    /// <summary>Checks what no descriptor can say. What the host makes of odd packet sizes and the like is for the host to show.</summary>
    /// <exception cref="ArgumentException">Something cannot be; the message says what.</exception>
    internal void Validate()
    {
        const int LongestText = 126;
        Require(Speed is UsbSpeed.Full or UsbSpeed.High or UsbSpeed.Super, $"a device is attached at full, high or super speed, not {Speed}");
        foreach (string text in new[] { Manufacturer, Product, SerialNumber })
        {
            Require(text.Length <= LongestText, $"a string has at most {LongestText} characters, which '{text}' exceeds");
        }

        HashSet<(byte, byte)> settings = [];
        foreach (InterfaceDescription setting in Interfaces)
        {
            Require(settings.Add((setting.Number, setting.AlternateSetting)), $"interface {setting.Number} has the alternate setting {setting.AlternateSetting} twice");
            Validate(setting);
        }

        foreach ((byte number, byte _) in settings)
        {
            Require(settings.Contains((number, 0)), $"interface {number} has no alternate setting 0");
            Require(number == 0 || settings.Any(other => other.Item1 == number - 1), $"interfaces are numbered from 0 without a gap, so {number} cannot be the next one");
        }
    }

    private static void Validate(InterfaceDescription setting)
    {
        const int LargestPacket = 1024;
        const int LongestBurst = 15;
        HashSet<byte> addresses = [];
        foreach (EndpointDescription endpoint in setting.Endpoints)
        {
            string name = $"endpoint 0x{endpoint.Address:x2}";
            Require((endpoint.Address & 0x70) == 0 && (endpoint.Address & 0x0f) != 0, $"{name} is none: addresses are 0x01 to 0x0f and 0x81 to 0x8f");
            Require(addresses.Add(endpoint.Address), $"{name} is listed twice in one setting");
            Require(endpoint.Kind is EndpointKind.Bulk or EndpointKind.Interrupt, $"{name} is {endpoint.Kind}, where bulk and interrupt are possible");
            Require(endpoint.MaxPacketSize is >= 0 and <= LargestPacket, $"{name} has packets of {endpoint.MaxPacketSize} bytes, where {LargestPacket} are the most");
            Require(endpoint.MaxBurst is >= 0 and <= LongestBurst, $"{name} has bursts of {endpoint.MaxBurst}, where {LongestBurst} are the most");
        }
    }

    private static void Require(bool condition, string problem)
    {
        if (!condition)
        {
            throw new ArgumentException($"The device cannot be described so: {problem}.");
        }
    }
}
