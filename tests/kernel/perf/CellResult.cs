namespace BulkIn.Bench.Perf;

/// <summary>One side of a pair.</summary>
/// <param name="MegabytesPerSecond">Throughput, in units of 10^6 bytes.</param>
/// <param name="CpuMicroseconds">CPU time of the whole process for each transfer.</param>
/// <param name="Switches">How often a thread of the process went to sleep, for each transfer.</param>
/// <param name="Allocated">Managed bytes allocated for each transfer.</param>
internal sealed record Sample(double MegabytesPerSecond, double CpuMicroseconds, double Switches, double Allocated);

/// <summary>What the pairs of one shape gave.</summary>
internal sealed record CellResult(Shape Shape, IReadOnlyList<(Sample C, Sample Library)> Pairs)
{
    public Spread Throughput { get; } = Spread.Of(Pairs.Select(pair => pair.Library.MegabytesPerSecond / pair.C.MegabytesPerSecond));

    public Spread Cpu { get; } = Spread.Of(Pairs.Select(pair => pair.Library.CpuMicroseconds / pair.C.CpuMicroseconds));
}

/// <summary>What the pairs of the ping-pong gave: round trips in microseconds.</summary>
internal sealed record LatencyResult(Way Way, IReadOnlyList<(double CP50, double CP99, double P50, double P99)> Pairs)
{
    public Spread P50 { get; } = Spread.Of(Pairs.Select(pair => pair.P50 / pair.CP50));

    public Spread P99 { get; } = Spread.Of(Pairs.Select(pair => pair.P99 / pair.CP99));
}

/// <summary>The median of some numbers and how far they go.</summary>
internal sealed record Spread(double Median, double Least, double Most)
{
    public static Spread Of(IEnumerable<double> numbers)
    {
        double[] sorted = [.. numbers.Order()];
        int middle = sorted.Length / 2;
        double median = sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        return new Spread(median, sorted[0], sorted[^1]);
    }
}
