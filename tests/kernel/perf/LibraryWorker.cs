using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using BulkIn.Backends;

namespace BulkIn.Bench.Perf;

/// <summary>The library's side: the same jobs as floor.c, done as a driver would.</summary>
/// <remarks>
/// <c>stream DEVICE ENDPOINT DEPTH LENGTH device|pinned RecvAsync|Recv WARM_MS MEASURE_MS</c> and
/// <c>pingpong DEVICE OUT IN LENGTH RecvAsync|Recv WARM_ROUNDS ROUNDS</c>, DEVICE being the path that libusb's list gives, such as 2-1.
/// </remarks>
internal static class LibraryWorker
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    public static async Task<int> RunAsync()
    {
        while (await Console.In.ReadLineAsync() is { } job)
        {
            string answer;
            try
            {
                answer = await DoAsync(job.Split(' '));
            }
            catch (Exception exception) when (exception is BulkInException or CaseFailedException or ArgumentException)
            {
                answer = $"error {exception.Message}";
            }

            await Console.Out.WriteLineAsync(answer);
        }

        return 0;
    }

    private static async Task<string> DoAsync(string[] job)
    {
        await using LibUsbDevice device = LibUsbDevice.Open(job[1]);
        device.ClaimInterface(0);
        int[] numbers = [.. job[2..].Select(static word => int.TryParse(word, CultureInfo.InvariantCulture, out int number) ? number : 0)];
        return job[0] == "stream"
            ? await StreamAsync(device, (byte)numbers[0], numbers[1], numbers[2], job[5], job[6] == nameof(Way.Recv), numbers[5], numbers[6])
            : await PingPongAsync(device, (byte)numbers[0], (byte)numbers[1], numbers[2], job[5] == nameof(Way.Recv), numbers[4], numbers[5]);
    }

    private static async Task<string> StreamAsync(
        LibUsbDevice device, byte endpoint, int depth, int length, string memory, bool blocking, int warmMilliseconds, int measuredMilliseconds)
    {
        BulkInMemory wanted = memory == "device" ? BulkInMemory.Device : BulkInMemory.Pinned;
        await using BulkInQueue queue = device.OpenBulkInQueue(endpoint, new BulkInQueueOptions { Depth = depth, BufferLength = length, Memory = wanted });
        CaseContext.Require(
            queue.Capabilities.HasFlag(BulkInCapabilities.DeviceMemory) == (wanted == BulkInMemory.Device), $"no {memory} memory for {depth} transfers of {length} bytes");
        Memory<byte> destination = PageAligned(length);

        Stretch stretch = blocking
            ? await OnOwnThread(() => Stretch.Blocking(queue, destination, warmMilliseconds, measuredMilliseconds))
            : await Stretch.AwaitingAsync(queue, destination, warmMilliseconds, measuredMilliseconds);
        return stretch.ToString();
    }

    private static async Task<string> PingPongAsync(LibUsbDevice device, byte output, byte input, int length, bool blocking, int warm, int rounds)
    {
        const int Posted = 2;
        const int RequestLength = 64;
        await using BulkInQueue queue = device.OpenBulkInQueue(input, new BulkInQueueOptions { Depth = Posted, BufferLength = length, Memory = BulkInMemory.Pinned });
        byte[] request = new byte[RequestLength], reply = new byte[length];
        long[] times = new long[rounds];
        ProcessUsage before = default;

        if (blocking)
        {
            _ = await OnOwnThread(() =>
            {
                for (int round = -warm; round < rounds; round++)
                {
                    before = round == 0 ? ProcessUsage.Now() : before;
                    long start = Stopwatch.GetTimestamp();
                    Task<int> sent = device.WriteAsync(output, request, Timeout.InfiniteTimeSpan);
                    Check(queue.Recv(reply, Patience));
                    if (round >= 0)
                    {
                        times[round] = Stopwatch.GetTimestamp() - start;
                    }

#pragma warning disable VSTHRD002, MA0042 // This thread blocks on purpose, and the reply is here: the request went out long ago.
                    _ = sent.GetAwaiter().GetResult();
#pragma warning restore VSTHRD002, MA0042
                }

                return true;
            });
        }
        else
        {
            for (int round = -warm; round < rounds; round++)
            {
                before = round == 0 ? ProcessUsage.Now() : before;
                long start = Stopwatch.GetTimestamp();
                Task<int> sent = device.WriteAsync(output, request, Timeout.InfiniteTimeSpan);
                Check(await queue.RecvAsync(reply, Patience));
                if (round >= 0)
                {
                    times[round] = Stopwatch.GetTimestamp() - start;
                }

                _ = await sent;
            }
        }

        ProcessUsage used = ProcessUsage.Now() - before;
        Array.Sort(times);
        return string.Create(
            CultureInfo.InvariantCulture, $"p50={Nanoseconds(times[rounds / 2]):0} p99={Nanoseconds(times[(int)(rounds * 99L / 100)]):0} rounds={rounds} {used}");
    }

    /// <summary>As C's: what a copy costs depends on where it goes.</summary>
    private static Memory<byte> PageAligned(int length)
    {
        byte[] pinned = GC.AllocateUninitializedArray<byte>(length + Environment.SystemPageSize, pinned: true);
        nint behind = Marshal.UnsafeAddrOfPinnedArrayElement(pinned, 0) % Environment.SystemPageSize;
        return pinned.AsMemory(behind == 0 ? 0 : Environment.SystemPageSize - (int)behind, length);
    }

    private static double Nanoseconds(long ticks) => ticks * 1e9 / Stopwatch.Frequency;

    private static void Check(BulkInResult result)
    {
        if (!result.IsData)
        {
            throw new CaseFailedException($"a receive ended with {result.Status}");
        }
    }

    private static Task<T> OnOwnThread<T>(Func<T> body) => Task.Factory.StartNew(body, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>
    /// What was received in a stretch of time. The warm-up runs into it without a pause, as C's does: a pool's worker that has just lost its work spins for milliseconds before it
    /// sleeps, and that belongs to whoever gave it work.
    /// </summary>
    private struct Stretch
    {
        private readonly long _measured;
        private long _until;
        private bool _isMeasuring;
        private long _start;
        private long _ticks;
        private long _transfers;
        private long _bytes;
        private ProcessUsage _before;
        private ProcessUsage _used;

        private Stretch(int warmMilliseconds, int measuredMilliseconds)
        {
            _measured = TicksOf(measuredMilliseconds);
            _until = Stopwatch.GetTimestamp() + TicksOf(warmMilliseconds);
        }

        public static async Task<Stretch> AwaitingAsync(BulkInQueue queue, Memory<byte> destination, int warmMilliseconds, int measuredMilliseconds)
        {
            Stretch stretch = new(warmMilliseconds, measuredMilliseconds);
            while (stretch.GoesOnAfter(await queue.RecvAsync(destination, Patience)))
            {
            }

            return stretch;
        }

        public static Stretch Blocking(BulkInQueue queue, Memory<byte> destination, int warmMilliseconds, int measuredMilliseconds)
        {
            Stretch stretch = new(warmMilliseconds, measuredMilliseconds);
            while (stretch.GoesOnAfter(queue.Recv(destination.Span, Patience)))
            {
            }

            return stretch;
        }

        public override readonly string ToString() => string.Create(CultureInfo.InvariantCulture, $"transfers={_transfers} bytes={_bytes} ns={Nanoseconds(_ticks):0} {_used}");

        private static long TicksOf(int milliseconds) => milliseconds * Stopwatch.Frequency / 1000;

        // The stamp of the transfer is the clock: none is read for it.
        private bool GoesOnAfter(in BulkInResult result)
        {
            Check(result);
            _transfers++;
            _bytes += result.Length;
            return result.Timestamp < _until || Turn();
        }

        private bool Turn()
        {
            if (_isMeasuring)
            {
                _ticks = Stopwatch.GetTimestamp() - _start;
                _used = ProcessUsage.Now() - _before;
                return false;
            }

            _isMeasuring = true;
            _transfers = 0;
            _bytes = 0;
            _before = ProcessUsage.Now();
            _start = Stopwatch.GetTimestamp();
            _until = _start + _measured;
            return true;
        }
    }
}
