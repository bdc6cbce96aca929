namespace BulkIn.UsbMon;

/// <summary>For how long an endpoint had how many URBs posted.</summary>
public sealed class DepthProfile
{
    private readonly SortedDictionary<int, long> _times;

    internal DepthProfile(SortedDictionary<int, long> times, IReadOnlyList<long> gaps)
    {
        _times = times;
        Gaps = gaps;
        Total = times.Values.Sum();
    }

    /// <summary>The time looked at, in microseconds.</summary>
    public long Total { get; }

    /// <summary>The times during which nothing was posted, in microseconds, in order.</summary>
    public IReadOnlyList<long> Gaps { get; }

    /// <summary>The time during which nothing was posted, in microseconds.</summary>
    public long GapTime => Gaps.Sum();

    /// <summary>The smallest depth, however short; 0 when no time was looked at.</summary>
    public int Minimum => _times.Keys.FirstOrDefault();

    /// <summary>The depth that was undercut for one percent of the time.</summary>
    public int P1 => Percentile(0.01);

    /// <summary>The depth that was undercut for half of the time.</summary>
    public int Median => Percentile(0.5);

    /// <summary>The share of time, 0 to 1, with at least this many posted.</summary>
    /// <param name="depth">The depth.</param>
    public double ShareAtLeast(int depth) =>
        Total == 0 ? 1 : (double)_times.Where(entry => entry.Key >= depth).Sum(entry => entry.Value) / Total;

    private int Percentile(double share)
    {
        double limit = share * Total;
        long sum = 0;
        foreach ((int depth, long time) in _times)
        {
            sum += time;
            if (sum > limit)
            {
                return depth;
            }
        }

        return _times.Keys.LastOrDefault();
    }
}
