using System.Diagnostics;
using System.Globalization;
using BulkIn.Gadgets;

namespace BulkIn.Bench.Perf;

/// <summary>Throughput, CPU and memory as queues get many, deep and long; and what idle queues cost.</summary>
internal static class Scale
{
    private const int Devices = 4;
    private const int QueuesOnEach = 8;
    private const int Kilobyte = 1024;
    private const int WarmMilliseconds = 100;
    private const int MeasuredMilliseconds = 500;
    private const int IdleMilliseconds = 10_000;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static async Task RunAsync()
    {
        Console.WriteLine("queues devices depth   KiB memory |   MB/s  CPU us/transfer waits/transfer | own memory MiB  threads");
        using (EndlessSources sources = await EndlessSources.StartAsync(Devices, QueuesOnEach, silent: false))
        {
            foreach (int queues in (int[])[1, 2, 4, 8, 16, 32])
            {
                await MeasureAsync(sources.Devices, queues, depth: 8, 16 * Kilobyte, BulkInMemory.Pinned);
            }
        }

        using (var source = new SourceSinkDevice())
        {
            SysfsDevice[] device = [await SysfsDevice.WaitAsync(source.SerialNumber)];
            foreach (int depth in (int[])[1, 4, 16, 64, 256])
            {
                await MeasureAsync(device, queues: 1, depth, 16 * Kilobyte, BulkInMemory.Device);
            }

            foreach (int kilobytes in (int[])[4, 64, 256, 1024])
            {
                await MeasureAsync(device, queues: 1, depth: 8, kilobytes * Kilobyte, BulkInMemory.Device);
            }

            await MeasureAsync(device, queues: 1, depth: 256, 1024 * Kilobyte, BulkInMemory.Pinned);
        }

        await IdleAsync();
    }

    private static async Task MeasureAsync(IReadOnlyList<SysfsDevice> devices, int queues, int depth, int length, BulkInMemory memory)
    {
        await using OpenQueues open = OpenQueues.On(devices, queues, new BulkInQueueOptions { Depth = depth, BufferLength = length, Memory = memory });
        await ReadAllAsync(open.Queues, length, WarmMilliseconds);
        ProcessUsage before = ProcessUsage.Now();
        long start = Stopwatch.GetTimestamp();
        (long transfers, long bytes) = await ReadAllAsync(open.Queues, length, MeasuredMilliseconds);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        ProcessUsage used = ProcessUsage.Now() - before;
        ProcessResources resources = ProcessResources.Now();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{queues,6} {open.DeviceCount,7} {depth,5} {length / Kilobyte,5} {memory,-6} | {bytes / seconds / 1e6,6:0.0} {used.CpuNanoseconds / 1000.0 / transfers,16:0.0} {(double)used.Switches / transfers,14:0.00} | {resources.AnonymousKilobytes / 1024,14} {resources.Threads,8}"));
    }

    /// <summary>As many queues as there are endpoints, posted, on devices that send nothing.</summary>
    private static async Task IdleAsync()
    {
        using EndlessSources silent = await EndlessSources.StartAsync(Devices, QueuesOnEach, silent: true);
        foreach (int queues in (int[])[1, Devices * QueuesOnEach])
        {
            await using OpenQueues open = OpenQueues.On(silent.Devices, queues, new BulkInQueueOptions());
            using var stop = new CancellationTokenSource();
            byte[][] destinations = [.. open.Queues.Select(static _ => new byte[16 * Kilobyte])];
            Task[] receives = [.. open.Queues.Select((queue, index) => queue.RecvAsync(destinations[index], stop.Token).AsTask())];
            double share = await CpuShare.MeasureAsync(TimeSpan.FromMilliseconds(IdleMilliseconds));
            await stop.CancelAsync();
            await Task.WhenAll(receives).ContinueWith(static _ => { }, TaskScheduler.Default);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"idle: {queues} queues of depth {open.Queues[0].Depth} with a receive pending used {share:0.0000} of a processor over {IdleMilliseconds / 1000} s"));
        }
    }

    private static async Task<(long Transfers, long Bytes)> ReadAllAsync(List<BulkInQueue> queues, int length, int milliseconds)
    {
        long until = Stopwatch.GetTimestamp() + (milliseconds * Stopwatch.Frequency / 1000);
        (long Transfers, long Bytes)[] sums = await Task.WhenAll(queues.Select(queue => ReadAsync(queue, length, until)));
        return (sums.Sum(static sum => sum.Transfers), sums.Sum(static sum => sum.Bytes));
    }

    private static async Task<(long Transfers, long Bytes)> ReadAsync(BulkInQueue queue, int length, long until)
    {
        await Task.Yield();
        byte[] destination = GC.AllocateUninitializedArray<byte>(length);
        long transfers = 0, bytes = 0;
        while (true)
        {
            BulkInResult result = await queue.RecvAsync(destination, Patience);
            CaseContext.Require(result.IsData, $"a receive ended with {result.Status}");
            transfers++;
            bytes += result.Length;
            if (result.Timestamp >= until)
            {
                return (transfers, bytes);
            }
        }
    }

    /// <summary>Queues spread over devices.</summary>
    private sealed class OpenQueues : IAsyncDisposable
    {
        private readonly List<LibUsbDevice> _devices = [];
        private readonly List<BulkInQueue> _queues = [];

        public List<BulkInQueue> Queues => _queues;

        public int DeviceCount => _devices.Count;

        public static OpenQueues On(IReadOnlyList<SysfsDevice> devices, int queues, BulkInQueueOptions options)
        {
            OpenQueues open = new();
            for (int i = 0; i < queues; i++)
            {
                if (i < devices.Count)
                {
                    open._devices.Add(LibUsbDevice.Open(Path.GetFileName(devices[i].Directory)));
                    foreach (LibUsbInterfaceInfo setting in open._devices[i].Info.Interfaces.Where(static setting => setting.AlternateSetting == 0))
                    {
                        open._devices[i].ClaimInterface(setting.Number);
                    }
                }

                int device = i % devices.Count;
                byte[] endpoints = [.. devices[device].Endpoints.Where(static endpoint => endpoint.Kind == "Bulk" && endpoint.Address >= 0x80).Select(static endpoint => endpoint.Address).Order()];
                open._queues.Add(open._devices[device].OpenBulkInQueue(endpoints[i / devices.Count], options));
            }

            return open;
        }

        public async ValueTask DisposeAsync()
        {
            foreach (BulkInQueue queue in _queues)
            {
                await queue.DisposeAsync();
            }

            foreach (LibUsbDevice device in _devices)
            {
                await device.DisposeAsync();
            }
        }
    }
}
