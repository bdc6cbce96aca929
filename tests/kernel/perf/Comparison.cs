using System.Globalization;
using BulkIn.Gadgets;

namespace BulkIn.Bench.Perf;

/// <summary>Runs C and the library alternately, so that what the machine does meanwhile meets both: only the ratios of neighbours count.</summary>
internal sealed class Comparison(Plan plan, int pairs, int milliseconds)
{
    private const int WarmRounds = 200;

    // One transfer of the ping-pong's size in a buffer of the queue's default length.
    private const int PingPongLength = 16 * 1024;
    private readonly int _warmMilliseconds = Math.Min(150, milliseconds / 2);
    private readonly List<CellResult> _cells = [];
    private readonly List<(string Peer, CellResult Cell)> _peers = [];
    private readonly List<LatencyResult> _latencies = [];

    public IReadOnlyList<CellResult> Cells => _cells;

    /// <summary>What other libraries did beside C.</summary>
    public IReadOnlyList<(string Peer, CellResult Cell)> Peers => _peers;

    public IReadOnlyList<LatencyResult> Latencies => _latencies;

    public int Pairs => pairs;

    public async Task RunAsync(Contestant c, Contestant library, IReadOnlyList<Contestant> peers)
    {
        if (plan.Shapes.Count > 0)
        {
            using var source = new SourceSinkDevice();
            SysfsDevice device = await SysfsDevice.WaitAsync(source.SerialNumber);
            Report.PrintHeader();

            // Once for nothing: pages, caches, and the thread pool's threads.
            _ = await MeasureAsync(device, plan.Shapes[0], c, library);
            foreach (Shape shape in plan.Shapes)
            {
                List<(Sample C, Sample Library)> samples = [];
                for (int pair = 0; pair < pairs; pair++)
                {
                    samples.Add(pair % 2 == 0 ? await MeasureAsync(device, shape, c, library) : await MeasureReversedAsync(device, shape, c, library));
                }

                _cells.Add(new CellResult(shape, samples));
                Report.Print(_cells[^1]);
            }

            foreach (Contestant peer in peers)
            {
                foreach (Shape shape in plan.PeerShapes)
                {
                    _peers.Add((peer.Name, await MeasurePeerAsync(device, shape, c, peer)));
                    Report.Print(peer.Name, _peers[^1].Cell);
                }
            }
        }

        // Shorter than a packet at any speed: such a transfer ends by itself, on both sides.
        using var echo = new ScriptedGadget(GadgetScript.Parse("out requests\nin replies\ntask\nread requests\nwrite replies 64\nrepeat"));
        SysfsDevice answering = await SysfsDevice.WaitAsync(echo.Device.SerialNumber);
        foreach (Way way in Enum.GetValues<Way>())
        {
            List<(double, double, double, double)> samples = [];
            for (int pair = 0; pair < pairs; pair++)
            {
                string tail = string.Create(CultureInfo.InvariantCulture, $"{WarmRounds} {plan.Rounds}");
                IReadOnlyDictionary<string, double> floor = await c.DoAsync(string.Create(
                    CultureInfo.InvariantCulture, $"pingpong {answering.Bus} {answering.Address} {answering.BulkOut} {answering.BulkIn} {PingPongLength} {tail}"));
                IReadOnlyDictionary<string, double> ours = await library.DoAsync(string.Create(
                    CultureInfo.InvariantCulture, $"pingpong {Path.GetFileName(answering.Directory)} {answering.BulkOut} {answering.BulkIn} {PingPongLength} {way} {tail}"));
                samples.Add((floor["p50"] / 1000, floor["p99"] / 1000, ours["p50"] / 1000, ours["p99"] / 1000));
            }

            _latencies.Add(new LatencyResult(way, samples));
            Report.Print(_latencies[^1]);
        }
    }

    private async Task<(Sample C, Sample Library)> MeasureAsync(SysfsDevice device, Shape shape, Contestant c, Contestant library)
    {
        Sample floor = await FloorAsync(device, shape, c);
        return (floor, await LibraryAsync(device, shape, library));
    }

    private async Task<(Sample C, Sample Library)> MeasureReversedAsync(SysfsDevice device, Shape shape, Contestant c, Contestant library)
    {
        Sample ours = await LibraryAsync(device, shape, library);
        return (await FloorAsync(device, shape, c), ours);
    }

    private async Task<CellResult> MeasurePeerAsync(SysfsDevice device, Shape shape, Contestant c, Contestant peer)
    {
        List<(Sample C, Sample Peer)> samples = [];
        for (int pair = 0; pair < pairs; pair++)
        {
            samples.Add((await FloorAsync(device, shape, c), await FloorAsync(device, shape, peer)));
        }

        return new CellResult(shape, samples);
    }

    /// <summary>C, and the peers that understand the same jobs.</summary>
    private async Task<Sample> FloorAsync(SysfsDevice device, Shape shape, Contestant c) => ToSample(await c.DoAsync(string.Create(
        CultureInfo.InvariantCulture,
        $"stream {device.Bus} {device.Address} {device.BulkIn} {shape.Depth} {shape.Length} {shape.Memory} {_warmMilliseconds} {milliseconds}")));

    private async Task<Sample> LibraryAsync(SysfsDevice device, Shape shape, Contestant library) => ToSample(await library.DoAsync(string.Create(
        CultureInfo.InvariantCulture,
        $"stream {Path.GetFileName(device.Directory)} {device.BulkIn} {shape.Depth} {shape.Length} {shape.Memory} {shape.Way} {_warmMilliseconds} {milliseconds}")));

    private static Sample ToSample(IReadOnlyDictionary<string, double> figures)
    {
        double transfers = figures["transfers"];
        return new Sample(
            figures["bytes"] * 1000 / figures["ns"],
            figures["cpu_ns"] / 1000 / transfers,
            figures["switches"] / transfers,
            figures.GetValueOrDefault("allocated") / transfers);
    }
}
