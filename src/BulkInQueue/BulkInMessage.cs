using System.Runtime.InteropServices;

namespace BulkIn;

/// <summary>The outcome of reading a message. <see langword="default"/> is "timed out" with nothing read.</summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct BulkInMessage
{
    internal BulkInMessage(BulkInStatus status, long length, int transfers, long sequence, long timestamp)
    {
        Status = status;
        Length = length;
        Transfers = transfers;
        Sequence = sequence;
        Timestamp = timestamp;
    }

    /// <summary><see cref="BulkInStatus.Data"/>: a whole message. Timed out or stopped: the message is incomplete, and <see cref="Length"/> bytes of it were
    /// written.</summary>
    public BulkInStatus Status { get; }

    /// <summary>True for a whole message.</summary>
    public bool IsComplete => Status == BulkInStatus.Data;

    /// <summary>Bytes written by this call. 0 with <see cref="IsComplete"/> is a message of no bytes: a zero-length packet of its own.</summary>
    public long Length { get; }

    /// <summary>Transfers that this call consumed, a closing zero-length packet included.</summary>
    public int Transfers { get; }

    /// <summary>The number in the stream of the last transfer consumed, as <see cref="BulkInResult.Sequence"/>; no meaning when <see cref="Transfers"/> is 0.</summary>
    public long Sequence { get; }

    /// <summary>When that transfer completed, as <see cref="System.Diagnostics.Stopwatch.GetTimestamp"/> in the completion callback.</summary>
    public long Timestamp { get; }
}
