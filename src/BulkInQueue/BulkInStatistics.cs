using System.Runtime.InteropServices;

namespace BulkIn;

/// <summary>A snapshot of a queue's counters since Open. Counters only grow; "now" figures move both ways.</summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct BulkInStatistics
{
    /// <summary>Transfers received, zero-length ones included.</summary>
    public long Transfers { get; init; }

    /// <summary>Bytes received.</summary>
    public long Bytes { get; init; }

    /// <summary>Bytes received that no consumer got: dropped by <see cref="BulkInQueue.Discard"/> or a full pump, unread when a pump or a pipe reader ended, or undelivered when the
    /// queue was disposed of.</summary>
    public long BytesDiscarded { get; init; }

    /// <summary>Faults: generations of failed transfers, however many transfers failed in each.</summary>
    public long Faults { get; init; }

    /// <summary>Recoveries that ended with slots posted again.</summary>
    public long Recoveries { get; init; }

    /// <summary>Submits refused for want of memory and tried again later.</summary>
    public long SubmitsDeferred { get; init; }

    /// <summary>Completions reported before those of transfers submitted earlier. Delivery is in submission order all the same.</summary>
    public long OutOfOrderCompletions { get; init; }

    /// <summary>How often nothing was posted while Running. Zero is the promise kept.</summary>
    public long Starvations { get; init; }

    /// <summary>For how long altogether nothing was posted while Running: a lower bound of what an observer of the bus sees.</summary>
    public TimeSpan StarvationTime { get; init; }

    /// <summary>Transfers posted now.</summary>
    public int Posted { get; init; }

    /// <summary>Slots that have no buffer to be posted with, or whose submit was refused, now.</summary>
    public int Idle { get; init; }

    /// <summary>Buffers neither posted, nor holding undelivered data, nor leased, now.</summary>
    public int FreeBuffers { get; init; }

    /// <summary>Leases not returned, now.</summary>
    public int Leases { get; init; }

    /// <summary>Transfers left behind on purpose because their completion never came.</summary>
    public int Leaked { get; init; }
}
