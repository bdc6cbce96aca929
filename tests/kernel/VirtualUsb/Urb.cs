namespace BulkIn.VirtualUsb;

/// <summary>A request that the host has submitted to an endpoint of a virtual device, and that its behaviour answers once, at any time, from any thread.</summary>
/// <remarks>
/// <code>
/// Submitted --Complete-->       Answered
/// Submitted --the host unlinks--> Unlinking --ConfirmUnlink--> Answered
///                                 Unlinking --Complete-->      Answered (the host sees a cancelled URB with data)
/// any       --unplug-->         Answered (by the kernel)
/// </code>
/// </remarks>
public sealed class Urb
{
    private readonly VirtualUsbDevice _device;

    internal Urb(VirtualUsbDevice device, in UsbIpHeader header, byte[] data)
    {
        _device = device;
        SequenceNumber = header.Sequence;
        Endpoint = header.Endpoint;
        Length = header.Length;
        Setup = header.Setup;
        Data = data;
    }

    /// <summary>The kernel's number for it: later URBs have higher ones.</summary>
    public uint SequenceNumber { get; }

    /// <summary>The endpoint's address; 0x00 and 0x80 are the control endpoint.</summary>
    public byte Endpoint { get; }

    /// <summary>True when the host waits for data.</summary>
    public bool IsIn => (Endpoint & 0x80) != 0;

    /// <summary>Bytes asked for, or sent.</summary>
    public int Length { get; }

    /// <summary>What the host sent; empty for IN.</summary>
    public ReadOnlyMemory<byte> Data { get; }

    /// <summary>The request, on the control endpoint.</summary>
    public SetupPacket Setup { get; }

    /// <summary>True once the host has asked for it back.</summary>
    public bool IsUnlinking => UnlinkSequence != 0;

    /// <summary>The kernel's number for the unlink command, or 0. Written under the device's lock.</summary>
    internal uint UnlinkSequence { get; set; }

    /// <summary>Answers with data or a status, or both.</summary>
    /// <param name="data">IN: what the device sends, at most <see cref="Length"/> bytes; more is cut off. OUT: ignored.</param>
    /// <param name="status">0, or a negative Linux error number; <see cref="UrbStatus"/> names the usual ones.</param>
    /// <returns>False when it had been answered already, or the device is unplugged.</returns>
    public bool Complete(ReadOnlySpan<byte> data, int status = UrbStatus.Success) =>
        _device.Answer(this, data[..Math.Min(data.Length, Length)], IsIn ? Math.Min(data.Length, Length) : Length, status);

    /// <summary>Answers an OUT transfer that was taken completely, or an IN transfer without data.</summary>
    /// <param name="status">0, or a negative Linux error number.</param>
    /// <returns>False when it had been answered already, or the device is unplugged.</returns>
    public bool Complete(int status = UrbStatus.Success) => Complete([], status);

    /// <summary>Answers an OUT transfer of which only a part was taken.</summary>
    /// <param name="taken">Bytes taken.</param>
    /// <param name="status">0, or a negative Linux error number.</param>
    /// <returns>False when it had been answered already, or the device is unplugged.</returns>
    public bool CompleteTaken(int taken, int status)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(taken);
        return _device.Answer(this, [], Math.Min(taken, Length), status);
    }

    /// <summary>Gives it back as the host asked. Until then the host's cancel blocks.</summary>
    /// <returns>False when the host did not ask, or it had been answered already.</returns>
    public bool ConfirmUnlink() => _device.ConfirmUnlink(this);
}
