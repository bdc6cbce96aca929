namespace BulkIn.UsbMon;

/// <summary>A stretch of the events' time, in microseconds.</summary>
/// <param name="From">Its beginning.</param>
/// <param name="To">Its end.</param>
public readonly record struct TimeWindow(long From, long To)
{
    /// <summary>How long it is; 0 for one that ends before it begins.</summary>
    public long Length => Math.Max(0, To - From);

    /// <summary>What is left of it without some others, in order.</summary>
    /// <param name="others">They may overlap, in any order.</param>
    public IReadOnlyList<TimeWindow> Without(IEnumerable<TimeWindow> others)
    {
        List<TimeWindow> left = [];
        long from = From;
        foreach (TimeWindow other in others.Where(other => other.Length > 0).OrderBy(other => other.From))
        {
            var before = new TimeWindow(from, Math.Min(other.From, To));
            if (before.Length > 0)
            {
                left.Add(before);
            }

            from = Math.Max(from, other.To);
        }

        var rest = new TimeWindow(from, To);
        return rest.Length > 0 ? [.. left, rest] : left;
    }
}
