using System.Diagnostics;
using System.Globalization;
using System.Text;
using BulkIn.Gadgets;

namespace BulkIn.Bench.Perf;

/// <summary>Many queues in one process: what they deliver together, what they hold, and what idle ones cost.</summary>
internal static class ScaleRun
{
    private const int Devices = 8;
    private const int QueuesOfDevice = 4;

    // The emulated controller has few endpoints, and gives some of them an address that another one has: the host uses the first of each.
    private const int EndpointsOfDevice = 6;
    private const int TransferLength = 16 * 1024;
    private const int MeasuredMilliseconds = 3000;
    private const int IdleSeconds = 10;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    // Queues, depth, bytes of each buffer.
    private static readonly (int Queues, int Depth, int Length)[] Rows =
    [
        (1, 8, TransferLength), (8, 8, TransferLength), (16, 8, TransferLength), (32, 8, TransferLength), (32, 64, TransferLength), (32, 256, TransferLength), (1, 256, 1024 * 1024),
    ];

    public static async Task<int> RunAsync()
    {
        Guest.LoadModule("dummy_hcd", $"num={Devices}", "is_super_speed=1");
        List<ScriptedGadget> gadgets = [];
        List<LibUsbDevice> hosts = [];
        List<byte[]> endpoints = [];
        try
        {
            for (int device = 0; device < Devices; device++)
            {
                var gadget = new ScriptedGadget(GadgetScript.Parse(Script()));
                gadgets.Add(gadget);
                SysfsDevice seen = await SysfsDevice.WaitAsync(gadget.Device.SerialNumber);
                LibUsbDevice host = LibUsbDevice.Open(Path.GetFileName(seen.Directory));
                hosts.Add(host);
                host.ClaimInterface(0);

                // sysfs lists endpoints one after the other.
                await CaseContext.Until(() => seen.Endpoints.Count >= QueuesOfDevice, $"sysfs lists {QueuesOfDevice} endpoints");
                endpoints.Add([.. seen.Endpoints.Select(endpoint => endpoint.Address)]);
            }

            Console.WriteLine("queues depth  KiB |  posted MiB  process MiB |  MB/s  slowest/fastest queue | open ms  dispose ms");
            bool sound = await IdleAsync(hosts, endpoints);
            gadgets.ForEach(gadget => gadget.Wake());
            foreach ((int queues, int depth, int length) in Rows)
            {
                await MeasureAsync(hosts, endpoints, queues, depth, length);
            }

            return sound ? 0 : 1;
        }
        finally
        {
            hosts.ForEach(host => host.Dispose());
            gadgets.ForEach(gadget => gadget.Dispose());
        }
    }

    private static string Script()
    {
        StringBuilder script = new();
        for (int queue = 0; queue < EndpointsOfDevice; queue++)
        {
            script.Append(CultureInfo.InvariantCulture, $"in r{queue}\n");
        }

        for (int queue = 0; queue < EndpointsOfDevice; queue++)
        {
            // Silent until it is woken, for the idle measurement.
            script.Append(CultureInfo.InvariantCulture, $"task\nawait\nwrite r{queue} {TransferLength} 1000000000\n");
        }

        return script.ToString();
    }

    private static List<BulkInQueue> Open(IReadOnlyList<LibUsbDevice> hosts, IReadOnlyList<byte[]> endpoints, int queues, int depth, int length) =>
    [
        .. from queue in Enumerable.Range(0, queues)
        let device = queue % hosts.Count
        select hosts[device].OpenBulkInQueue(
            endpoints[device][queue / hosts.Count], new BulkInQueueOptions { Depth = depth, BufferLength = length, SpareBuffers = 2, Memory = BulkInMemory.Pinned }),
    ];

    private static async Task<bool> IdleAsync(IReadOnlyList<LibUsbDevice> hosts, IReadOnlyList<byte[]> endpoints)
    {
        const double MostMilliseconds = 50;
        List<BulkInQueue> open = Open(hosts, endpoints, Devices * QueuesOfDevice, 8, TransferLength);
        byte[][] destinations = [.. open.Select(_ => new byte[TransferLength])];
        using CancellationTokenSource end = new();
        Task[] waiting = [.. open.Select((queue, index) => queue.RecvAsync(destinations[index], end.Token).AsTask())];
        ProcessUsage before = ProcessUsage.Now();
        await Task.Delay(TimeSpan.FromSeconds(IdleSeconds));
        ProcessUsage used = ProcessUsage.Now() - before;
        await end.CancelAsync();
        await Task.WhenAll(waiting).ContinueWith(static _ => { }, TaskScheduler.Default);
        foreach (BulkInQueue queue in open)
        {
            await queue.DisposeAsync();
        }

        double milliseconds = used.CpuNanoseconds / 1e6;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{open.Count} idle queues with a receive waiting on each, {IdleSeconds} s: {milliseconds:0.0} ms of CPU, {used.Switches} waits (the device side's threads included)"));
        return milliseconds <= MostMilliseconds;
    }

    private static async Task MeasureAsync(IReadOnlyList<LibUsbDevice> hosts, IReadOnlyList<byte[]> endpoints, int queues, int depth, int length)
    {
        long start = Stopwatch.GetTimestamp();
        List<BulkInQueue> open = Open(hosts, endpoints, queues, depth, length);
        TimeSpan opening = Stopwatch.GetElapsedTime(start);
        long until = Stopwatch.GetTimestamp() + (MeasuredMilliseconds * Stopwatch.Frequency / 1000);
        start = Stopwatch.GetTimestamp();
        long[] bytes = await Task.WhenAll(open.Select(queue => Task.Run(() => ReceiveAsync(queue, until))));
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        long resident = Environment.WorkingSet;
        start = Stopwatch.GetTimestamp();
        foreach (BulkInQueue queue in open)
        {
            await queue.DisposeAsync();
        }

        const double Mebibyte = 1024 * 1024;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{queues,6} {depth,5} {length / 1024,4} | {(double)queues * depth * length / Mebibyte,11:0.0} {resident / Mebibyte,12:0.0} | {bytes.Sum() / seconds / 1e6,5:0.0} {(double)bytes.Min() / bytes.Max(),22:0.00} | {opening.TotalMilliseconds,7:0} {Stopwatch.GetElapsedTime(start).TotalMilliseconds,11:0}"));
    }

    private static async Task<long> ReceiveAsync(BulkInQueue queue, long until)
    {
        byte[] destination = new byte[queue.BufferLength];
        long bytes = 0;
        BulkInResult result;
        do
        {
            result = await queue.RecvAsync(destination, Patience);
            bytes += result.Length;
        }
        while (result.IsData && result.Timestamp < until);

        return bytes;
    }
}
