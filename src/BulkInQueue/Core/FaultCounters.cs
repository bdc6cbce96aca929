using BulkIn.Diagnostics;

namespace BulkIn.Core;

/// <summary>How many generations failed and came back. Counted by the control's loop only, read by anybody.</summary>
internal sealed class FaultCounters
{
    private readonly long[] _byError = new long[QueueTotals.Errors];
    private long _faults;
    private long _recoveries;

    public long Faults => Volatile.Read(ref _faults);

    public long Recoveries => Volatile.Read(ref _recoveries);

    public void AddFault() => Volatile.Write(ref _faults, _faults + 1);

    /// <summary>Says what a counted fault turned out to be.</summary>
    public void Classify(BulkInError error) => Volatile.Write(ref _byError[(int)error], _byError[(int)error] + 1);

    public void AddRecovery() => Volatile.Write(ref _recoveries, _recoveries + 1);

    /// <summary>Adds the faults so far to sums by <see cref="BulkInError"/>.</summary>
    public void AddTo(long[] totals)
    {
        for (int i = 0; i < totals.Length; i++)
        {
            totals[i] += Volatile.Read(ref _byError[i]);
        }
    }
}
