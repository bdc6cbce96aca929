using System.Diagnostics;
using BulkIn.DeviceScript;
using BulkIn.Gadgets;

namespace BulkIn.Bench;

/// <summary>Control and bulk OUT transfers from other threads while the queue reads.</summary>
internal static class TrafficCases
{
    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("traffic.throughput", "Linux's endless source is read at every depth without a foreign byte; the figures are for comparing within this line.", Throughput),
        new("traffic.parallel", "Control and bulk OUT from other threads disturb neither each other nor the queue.", Parallel),
    ];

    private static async Task Throughput(CaseContext context)
    {
        using var source = new SourceSinkDevice(pattern: SourceSinkDevice.CountingPattern);
        SysfsDevice device = await SysfsDevice.WaitAsync(source.SerialNumber);
        await using LibUsbDevice host = Rig.OpenHost(device);
        TimeSpan time = TimeSpan.FromSeconds(context.Size(10, 2));
        foreach (int depth in new[] { 1, 8, 32 })
        {
            await using BulkInQueue queue = host.OpenBulkInQueue(device.BulkIn, depth, Rig.BufferLength);
            byte[] buffer = new byte[Rig.BufferLength];
            long start = Stopwatch.GetTimestamp(), bytes = 0;
            while (Stopwatch.GetElapsedTime(start) < time)
            {
                BulkInResult result = await queue.RecvAsync(buffer, CaseContext.Patience);
                CaseContext.Require(result.IsData && result.Length == buffer.Length, $"{result.Status} with {result.Length} bytes after {bytes} bytes from an endless source");
                int wrong = SourceSinkDevice.FirstForeignByte(buffer, context.PacketSize);
                CaseContext.Require(wrong < 0, $"byte {wrong} after {bytes} bytes is not the source's");
                bytes += result.Length;
            }

            BulkInStatistics statistics = queue.Statistics;
            CaseContext.Figure($"depth {depth}: {bytes / 1e6 / time.TotalSeconds:0.0} MB/s, nothing posted for {statistics.StarvationTime / time:P1}");
        }
    }

    private static async Task Parallel(CaseContext context)
    {
        int transfers = context.Size(20_000, 2000);
        await using Rig rig = await Rig.GadgetAsync($"""
            out commands
            in replies
            task
            write replies random {Rig.BufferLength} {transfers}
            task
            read commands
            repeat
            """);
        await using BulkInQueue queue = rig.OpenQueue(depth: 8);
        using var done = new CancellationTokenSource();
        Task<int> outs = Task.Run(() => WriteAsync(rig, done.Token));
        Task<int> controls = Task.Run(() => AskAsync(rig, done.Token));
        await new SequencedReader(queue, rig) { Length = number => SequencedPayload.Length(number, Rig.BufferLength) }.ReceiveAsync(transfers);
        await done.CancelAsync();
        CaseContext.Figure($"{transfers} transfers received beside {await outs} OUT and {await controls} control transfers");
        CaseContext.Require(await outs > 10 && await controls > 10, "there was no parallel traffic to speak of");
    }

    private static async Task<int> WriteAsync(Rig rig, CancellationToken end)
    {
        int count = 0;
        byte[] data = new byte[3000];
        for (; !end.IsCancellationRequested; count++)
        {
            int written = await rig.Host.WriteAsync(rig.Out, data, CaseContext.Patience, CancellationToken.None);
            CaseContext.Require(written == data.Length, $"OUT transfer {count} carried {written} of {data.Length} bytes");
        }

        return count;
    }

    private static async Task<int> AskAsync(Rig rig, CancellationToken end)
    {
        const byte VendorInterfaceIn = 0xC1;
        int count = 0;
        byte[] data = new byte[64];
        for (; !end.IsCancellationRequested; count++)
        {
            var setup = new LibUsbSetup(VendorInterfaceIn, 1, (ushort)(count & 0xff), 0);
            int read = await rig.Host.ControlAsync(setup, data, CaseContext.Patience, CancellationToken.None);
            bool right = read == data.Length && data.Select((value, index) => value == (byte)(count + index)).All(same => same);
            CaseContext.Require(right, $"control request {count} was answered wrongly, with {read} bytes");
        }

        return count;
    }
}
