using BulkIn.Backends;

namespace BulkIn.Testing;

/// <summary>One IN endpoint that a capture holds completions of.</summary>
public sealed class UsbCaptureEndpoint
{
    internal UsbCaptureEndpoint(ushort bus, byte device, byte address, EndpointTransferType transferType)
    {
        Bus = bus;
        Device = device;
        Address = address;
        TransferType = transferType;
    }

    /// <summary>The bus number.</summary>
    public int Bus { get; }

    /// <summary>The device's address on its bus.</summary>
    public int Device { get; }

    /// <summary>The endpoint's address, 0x81 to 0x8F.</summary>
    public byte Address { get; }

    /// <summary>Bulk or interrupt.</summary>
    public EndpointTransferType TransferType { get; }

    /// <summary>Completions recorded, well and badly ended ones.</summary>
    public long Completions { get; internal set; }

    /// <summary>The most bytes of one completion that are in the file.</summary>
    public int LongestTransfer { get; internal set; }

    /// <summary>The most bytes that the capturing host asked for in one submission; 0 when no submission is recorded.</summary>
    public int LongestRequest { get; internal set; }

    /// <summary>The number (0, 1, 2, …) of the last completion that showed a live device, by success or by bytes; -1 when there is none.
    /// What says "gone" after it is the unplug; what said so before it was not.</summary>
    internal long LastLive { get; set; } = -1;

    /// <summary>For messages.</summary>
    /// <returns>For example <c>bus 2 device 10 endpoint 0x84 (811 completions)</c>.</returns>
    public override string ToString() => $"bus {Bus} device {Device} endpoint 0x{Address:x2} ({Completions} completions)";
}
