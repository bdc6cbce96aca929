using BulkIn.Core;

namespace BulkIn.Diagnostics;

/// <summary>The sums of what queues counted. Filled by each queue in turn.</summary>
internal sealed class QueueTotals
{
    /// <summary>One for each <see cref="BulkInError"/>.</summary>
    public const int Errors = (int)BulkInError.PumpOverrun + 1;

    public int Queues { get; set; }

    public int Posted { get; private set; }

    public long Bytes { get; private set; }

    public long Discarded { get; private set; }

    public long Starvations { get; private set; }

    public double StarvedSeconds { get; private set; }

    public long Recoveries { get; private set; }

    public long Leaked { get; private set; }

    /// <summary>By <see cref="TransferOutcome"/>.</summary>
    public long[] Transfers { get; } = new long[TransferOutcomes.Count];

    /// <summary>By <see cref="BulkInError"/>.</summary>
    public long[] Faults { get; } = new long[Errors];

    public void Add(in BulkInStatistics statistics)
    {
        Posted += statistics.Posted;
        Bytes += statistics.Bytes;
        Discarded += statistics.BytesDiscarded;
        Starvations += statistics.Starvations;
        StarvedSeconds += statistics.StarvationTime.TotalSeconds;
        Recoveries += statistics.Recoveries;
        Leaked += statistics.Leaked;
    }

    public void Add(QueueTotals other)
    {
        Queues += other.Queues;
        Posted += other.Posted;
        Bytes += other.Bytes;
        Discarded += other.Discarded;
        Starvations += other.Starvations;
        StarvedSeconds += other.StarvedSeconds;
        Recoveries += other.Recoveries;
        Leaked += other.Leaked;
        for (int i = 0; i < Transfers.Length; i++)
        {
            Transfers[i] += other.Transfers[i];
        }

        for (int i = 0; i < Faults.Length; i++)
        {
            Faults[i] += other.Faults[i];
        }
    }

    /// <summary>What is over with the queue; what it had counted stays, so that counters only grow.</summary>
    public void End()
    {
        Queues = 0;
        Posted = 0;
    }
}
