namespace BulkIn.VirtualUsb;

/// <summary>A request that the host has submitted to an endpoint of a virtual device, and that its behaviour answers once, at any time, from any thread.</summary>
/// <remarks>
/// <code>
/// Submitted --Complete-->         Answered
/// Submitted --the host unlinks--> Unlinking --ConfirmUnlink--> Answered
///                                 Unlinking --Complete-->      Answered (the host sees a cancelled URB with data)
/// any       --halt-->             Answered (stalled)
/// any       --unplug-->           Answered (by the kernel)
/// </code>
/// Only one answer counts, the first; every later one does nothing and says so.
/// </remarks>
public sealed class Urb
{
    private readonly UrbTable _table;
    private volatile uint _unlinkSequence;

    internal Urb(UrbTable table, in UsbIpHeader header, byte[] data)
    {
        _table = table;
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

    /// <summary>The request, on the control endpoint; elsewhere its default.</summary>
    public SetupPacket Setup { get; }

    /// <summary>True once the host has asked for it back.</summary>
    public bool IsUnlinking => _unlinkSequence != 0;

    /// <summary>True once it has its answer: whatever is said now comes too late. False may be out of date as soon as it is read.</summary>
    public bool IsAnswered => !_table.Contains(this);

    /// <summary>The kernel's number for the unlink command, or 0. Written under the table's lock.</summary>
    internal uint UnlinkSequence
    {
        get => _unlinkSequence;
        set => _unlinkSequence = value;
    }

    /// <summary>Answers with data or a status, or both.</summary>
    /// <param name="data">IN: what the device sends, at most <see cref="Length"/> bytes; more is cut off (a device that sends too much is
    /// <see cref="UrbStatus.Overflow"/>, which is yours to say). OUT: ignored.</param>
    /// <param name="status">0, or a negative Linux error number; <see cref="UrbStatus"/> names the usual ones.</param>
    /// <returns>False when it had been answered already, or the device is unplugged.</returns>
    public bool Complete(ReadOnlySpan<byte> data, int status = UrbStatus.Success)
    {
        ReadOnlySpan<byte> sent = IsIn ? data[..Math.Min(data.Length, Length)] : [];
        return _table.Answer(this, sent, IsIn ? sent.Length : Length, status);
    }

    /// <summary>Answers an OUT transfer that was taken completely, or an IN transfer without data.</summary>
    /// <param name="status">0, or a negative Linux error number.</param>
    /// <returns>False when it had been answered already, or the device is unplugged.</returns>
    public bool Complete(int status = UrbStatus.Success) => Complete([], status);

    /// <summary>Answers an OUT transfer of which only a part was taken.</summary>
    /// <param name="taken">Bytes taken, 0 to <see cref="Length"/>; more counts as all.</param>
    /// <param name="status">0, or a negative Linux error number.</param>
    /// <returns>False when it had been answered already, or the device is unplugged.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="taken"/> is negative.</exception>
    /// <exception cref="InvalidOperationException">It is an IN transfer, from which nothing is taken.</exception>
    public bool CompleteTaken(int taken, int status = UrbStatus.Success)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(taken);
        return IsIn
            ? throw new InvalidOperationException("An IN transfer is answered with data: use Complete.")
            : _table.Answer(this, [], Math.Min(taken, Length), status);
    }

    /// <summary>Gives it back as the host asked. Until then the host's cancel waits for its end.</summary>
    /// <returns>False when the host did not ask, it had been answered already, or the device is unplugged.</returns>
    public bool ConfirmUnlink() => _table.ConfirmUnlink(this);
}
