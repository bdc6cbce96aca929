using System.Diagnostics;
using System.Threading.Channels;
using BenchmarkDotNet.Attributes;

namespace BulkIn.Benchmarks;

/// <summary>
/// From a completion on one thread to the reader's next statement on another, beside the primitives that a reader of one's own would be built from. The
/// signal comes 50 us after the reader has asked for it, which is enough to be asleep: every figure includes them.
/// </summary>
[MemoryDiagnoser]
[MinColumn]
public class WakeUp
{
    private const int Waits = 200;
    private const int Bytes = 512;
    private static readonly TimeSpan Delay = TimeSpan.FromMicroseconds(50);
    private readonly byte[] _destination = new byte[Bytes];
    private readonly AutoResetEvent _event = new(initialState: false);
    private readonly AutoResetEvent _asked = new(initialState: false);
    private readonly Channel<int> _channel = Channel.CreateBounded<int>(new BoundedChannelOptions(1) { SingleReader = true, SingleWriter = true });
    private LoopbackBackend _backend = null!;
    private BulkInQueue _queue = null!;
    private TaskCompletionSource _promise = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Action? _signal;
    private Action _set = null!;
    private Action _complete = null!;
    private Action _write = null!;
    private Action _resolve = null!;
    private Thread? _signaller;

    [GlobalSetup]
    public void Start()
    {
        _backend = new LoopbackBackend(Bytes, completesAtOnce: false);
        _queue = BulkInQueue.Open(_backend, new BulkInQueueOptions { BufferLength = Bytes });
        _set = () => _event.Set();
        _complete = _backend.CompleteNext;
        _write = () => _channel.Writer.TryWrite(1);
        _resolve = () => _promise.SetResult();
        _signaller = new Thread(Signal) { IsBackground = true };
        _signaller.Start();
    }

    [GlobalCleanup]
    public async Task StopAsync()
    {
        Ask(null);
        _signaller!.Join();
        await _queue.DisposeAsync();
        _event.Dispose();
        _asked.Dispose();
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Waits)]
    public void AutoResetEventSet()
    {
        for (int wait = 0; wait < Waits; wait++)
        {
            Ask(_set);
            _event.WaitOne();
        }
    }

    [Benchmark(OperationsPerInvoke = Waits)]
    public void Recv()
    {
        for (int wait = 0; wait < Waits; wait++)
        {
            Ask(_complete);
            _ = _queue.Recv(_destination, Timeout.InfiniteTimeSpan);
        }
    }

    [Benchmark(OperationsPerInvoke = Waits)]
    public async Task RecvAsync()
    {
        for (int wait = 0; wait < Waits; wait++)
        {
            Ask(_complete);
            _ = await _queue.RecvAsync(_destination);
        }
    }

    [Benchmark(OperationsPerInvoke = Waits)]
    public async Task ChannelWrite()
    {
        for (int wait = 0; wait < Waits; wait++)
        {
            Ask(_write);
            _ = await _channel.Reader.ReadAsync();
        }
    }

    [Benchmark(OperationsPerInvoke = Waits)]
    public async Task TaskCompletionSourceSet()
    {
        for (int wait = 0; wait < Waits; wait++)
        {
            _promise = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            Ask(_resolve);
            await _promise.Task;
        }
    }

    private void Ask(Action? signal)
    {
        _signal = signal;
        _asked.Set();
    }

    private void Signal()
    {
        while (true)
        {
            _asked.WaitOne();
            if (_signal is not { } signal)
            {
                return;
            }

            long start = Stopwatch.GetTimestamp();
            while (Stopwatch.GetElapsedTime(start) < Delay)
            {
                Thread.SpinWait(1);
            }

            signal();
        }
    }
}
