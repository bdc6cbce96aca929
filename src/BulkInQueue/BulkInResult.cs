using System.Runtime.InteropServices;

namespace BulkIn;

/// <summary>The outcome of a receive. <see langword="default"/> is "timed out".</summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct BulkInResult
{
    internal BulkInResult(BulkInStatus status) => Status = status;

    internal BulkInResult(int length, int remaining, long sequence, long timestamp, bool endOfMessage, bool untrusted)
    {
        Status = BulkInStatus.Data;
        Length = length;
        Remaining = remaining;
        Sequence = sequence;
        Timestamp = timestamp;
        EndOfMessage = endOfMessage;
        IsUntrusted = untrusted;
    }

    /// <summary>Data, timed out or stopped. The other properties have a meaning only for <see cref="BulkInStatus.Data"/>.</summary>
    public BulkInStatus Status { get; }

    /// <summary>True for <see cref="BulkInStatus.Data"/>.</summary>
    public bool IsData => Status == BulkInStatus.Data;

    /// <summary>Bytes copied to the destination. 0 is a real zero-length packet (or an empty transfer).</summary>
    public int Length { get; }

    /// <summary>Bytes of the same transfer that did not fit into the destination; the next receive delivers them.</summary>
    public int Remaining { get; }

    /// <summary>True when the transfer ended in a short or zero-length packet (USB 2.0 section 5.8.3) and this is its last piece. A message whose length is an exact
    /// multiple of the max packet size has no such mark unless the device sends a zero-length packet after it.</summary>
    public bool EndOfMessage { get; }

    /// <summary>True when the bytes came with an overflow: more was sent than received, and how much is not known.</summary>
    public bool IsUntrusted { get; }

    /// <summary>The transfer's number in the stream: 0, 1, 2, … in the order received, repeated for each piece.</summary>
    public long Sequence { get; }

    /// <summary>When the transfer completed, as <see cref="System.Diagnostics.Stopwatch.GetTimestamp"/> in the completion callback.</summary>
    public long Timestamp { get; }
}
