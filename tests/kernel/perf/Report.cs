using System.Globalization;
using System.Text.Json;

namespace BulkIn.Bench.Perf;

/// <summary>The comparison as a table, and as JSON.</summary>
internal static class Report
{
    private const double ThroughputGoal = 0.95;
    private const double BlockingGoal = 0.9;
    private const double CpuGoal = 1.25;
    private const double LatencyGoal = 1.5;

    // From these depths on the goals hold.
    private const int ThroughputDepth = 4;
    private const int CpuDepth = 8;

    /// <summary>Which clock the figures are of.</summary>
    public static void PrintClock(Clock clock) => Console.WriteLine(clock == Clock.Counted
        ? "Counted clock: one emulated processor, whose clock counts instructions. A microsecond below is a thousand of them; the library's two threads take turns."
        : "Slowed clock: two emulated processors, and time slowed down until they are about as quick beside the bus as real ones.");

    /// <summary>How quick the guest's processors are.</summary>
    public static void PrintPace(IReadOnlyDictionary<string, double> pace) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"In the guest a system call takes {pace["call_ns"]} ns, a copy of 16 KiB {pace["copy_ns"]} ns, a byte through a pipe to a thread that waits for it {pace["hop_ns"]} ns."));

    public static void PrintHeader() => Console.WriteLine(
        "memory depth  KiB way       |   MB/s     C  ratio (range)       | CPU us/transfer     C  ratio (range)       | waits     C | bytes allocated");

    public static void Print(CellResult cell)
    {
        (Sample c, Sample library) = (Typical(cell, pair => pair.C), Typical(cell, pair => pair.Library));
        Shape shape = cell.Shape;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{shape.Memory,-6} {shape.Depth,5} {shape.Length / 1024,4} {shape.Way,-9} | {library.MegabytesPerSecond,6:0.0} {c.MegabytesPerSecond,5:0.0}  {Text(cell.Throughput),-19} | {library.CpuMicroseconds,15:0.0} {c.CpuMicroseconds,5:0.0}  {Text(cell.Cpu),-19} | {library.Switches,5:0.00} {c.Switches,5:0.00} | {library.Allocated:0.00}"));
    }

    public static void Print(string peer, CellResult cell)
    {
        (Sample c, Sample other) = (Typical(cell, pair => pair.C), Typical(cell, pair => pair.Library));
        Shape shape = cell.Shape;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{peer,-15} depth {shape.Depth,3} {shape.Length / 1024,4} KiB | {other.MegabytesPerSecond,6:0.0} {c.MegabytesPerSecond,5:0.0}  {Text(cell.Throughput),-19} | {other.CpuMicroseconds,15:0.0} {c.CpuMicroseconds,5:0.0}  {Text(cell.Cpu),-19} | {other.Switches,5:0.00} {c.Switches,5:0.00} |"));
    }

    public static void Print(LatencyResult result)
    {
        double Middle(Func<(double CP50, double CP99, double P50, double P99), double> select) => Spread.Of(result.Pairs.Select(select)).Median;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"ping-pong {result.Way,-9} p50 {Middle(pair => pair.P50):0} us (C {Middle(pair => pair.CP50):0}), ratio {Text(result.P50)}; p99 {Middle(pair => pair.P99):0} us (C {Middle(pair => pair.CP99):0}), ratio {Text(result.P99)}"));
    }

    /// <summary>The verdict on each goal, by the clock that can tell.</summary>
    public static void Print(Comparison comparison, Clock clock)
    {
        CellResult[] deep = [.. comparison.Cells.Where(cell => cell.Shape.Depth >= ThroughputDepth)];
        CellResult[] deeper = [.. comparison.Cells.Where(cell => cell.Shape.Depth >= CpuDepth)];
        CellResult[] blocking = [.. comparison.Cells.Where(cell => cell.Shape.Way == Way.Recv)];
        Console.WriteLine($"Median of {comparison.Pairs} pairs, {clock} clock:");

        // One processor cannot tell what two threads achieve. Nor can two tell what a transfer costs: the kernel charges the controller's work to whom it interrupts.
        Say(clock == Clock.Slowed, $"throughput at least {ThroughputGoal} of C, depth {ThroughputDepth} and deeper", deep, cell => cell.Throughput.Median >= ThroughputGoal);
        Say(clock == Clock.Slowed, $"throughput at least C's, depth {ThroughputDepth} and deeper (goal: half)", deep, cell => cell.Throughput.Median >= 1);
        Say(clock == Clock.Slowed, "the same to the percent: where the bus is full, nobody can do better than equal", deep, cell => Math.Round(cell.Throughput.Median, 2) >= 1);
        Say(clock == Clock.Counted, $"CPU per transfer at most {CpuGoal} of C, depth {CpuDepth} and deeper", deeper, cell => cell.Cpu.Median <= CpuGoal);
        Say(clock == Clock.Slowed, $"blocking Recv at least {BlockingGoal} of C, depths 1 and 2", blocking, cell => cell.Throughput.Median >= BlockingGoal);
        Say(true, "no byte allocated for a transfer (below 0.5: the run's own)", comparison.Cells, cell => cell.Pairs.All(pair => pair.Library.Allocated < 0.5));
        foreach (LatencyResult latency in comparison.Latencies)
        {
            Console.WriteLine(FormattableString.Invariant(
                $"  {(latency.P50.Median <= LatencyGoal ? "held" : "MISSED"),-6} ping-pong p50 at most {LatencyGoal} of C with {latency.Way}: {latency.P50.Median:0.00}"));
        }
    }

    public static byte[] Json(Comparison comparison, Clock clock)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("clock", clock.ToString());
            json.WriteStartArray("cells");
            foreach (CellResult cell in comparison.Cells)
            {
                Write(json, "BulkInQueue", cell);
            }

            foreach ((string peer, CellResult cell) in comparison.Peers)
            {
                Write(json, peer, cell);
            }

            json.WriteEndArray();
            json.WriteStartArray("pingPong");
            foreach (LatencyResult latency in comparison.Latencies)
            {
                json.WriteStartObject();
                json.WriteString("way", latency.Way.ToString());
                Write(json, "p50Ratio", latency.P50);
                Write(json, "p99Ratio", latency.P99);
                json.WriteStartArray("pairs");
                foreach ((double cP50, double cP99, double p50, double p99) in latency.Pairs)
                {
                    json.WriteStartObject();
                    json.WriteNumber("cP50Microseconds", cP50);
                    json.WriteNumber("cP99Microseconds", cP99);
                    json.WriteNumber("p50Microseconds", p50);
                    json.WriteNumber("p99Microseconds", p99);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    private static void Write(Utf8JsonWriter json, string library, CellResult cell)
    {
        json.WriteStartObject();
        json.WriteString("library", library);
        json.WriteString("memory", cell.Shape.Memory);
        json.WriteNumber("depth", cell.Shape.Depth);
        json.WriteNumber("bytes", cell.Shape.Length);
        json.WriteString("way", library == "BulkInQueue" ? cell.Shape.Way.ToString() : "its own");
        Write(json, "throughputRatio", cell.Throughput);
        Write(json, "cpuRatio", cell.Cpu);
        json.WriteStartArray("pairs");
        foreach ((Sample c, Sample other) in cell.Pairs)
        {
            json.WriteStartObject();
            Write(json, "c", c);
            Write(json, "library", other);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string name, Spread spread)
    {
        json.WriteStartObject(name);
        json.WriteNumber("median", spread.Median);
        json.WriteNumber("least", spread.Least);
        json.WriteNumber("most", spread.Most);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string name, Sample sample)
    {
        json.WriteStartObject(name);
        json.WriteNumber("megabytesPerSecond", sample.MegabytesPerSecond);
        json.WriteNumber("cpuMicrosecondsPerTransfer", sample.CpuMicroseconds);
        json.WriteNumber("waitsPerTransfer", sample.Switches);
        json.WriteNumber("allocatedBytesPerTransfer", sample.Allocated);
        json.WriteEndObject();
    }

    private static void Say(bool judges, string goal, IReadOnlyCollection<CellResult> cells, Func<CellResult, bool> holds) =>
        Console.WriteLine($"  {cells.Count(holds),3} of {cells.Count,3} cells: {goal}{(judges ? "" : " (the other clock judges this)")}");

    private static string Text(Spread spread) => FormattableString.Invariant($"{spread.Median:0.00} ({spread.Least:0.00}-{spread.Most:0.00})");

    private static Sample Typical(CellResult cell, Func<(Sample C, Sample Library), Sample> side)
    {
        double Median(Func<Sample, double> figure) => Spread.Of(cell.Pairs.Select(side).Select(figure)).Median;
        return new Sample(Median(s => s.MegabytesPerSecond), Median(s => s.CpuMicroseconds), Median(s => s.Switches), Median(s => s.Allocated));
    }
}
