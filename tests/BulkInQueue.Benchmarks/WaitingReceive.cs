using BenchmarkDotNet.Attributes;

namespace BulkIn.Benchmarks;

/// <summary>One receive that has to wait: arm, complete on this thread, continue on the thread pool. What each wait allocates is the point.</summary>
[MemoryDiagnoser]
[MinColumn]
public class WaitingReceive
{
    private const int Receives = 1000;
    private const int Bytes = 512;
    private readonly CancellationTokenSource _source = new();
    private readonly byte[] _destination = new byte[Bytes];
    private LoopbackBackend _backend = null!;
    private BulkInQueue _queue = null!;

    [GlobalSetup]
    public void Open()
    {
        _backend = new LoopbackBackend(Bytes, completesAtOnce: false);
        _queue = BulkInQueue.Open(_backend, new BulkInQueueOptions { BufferLength = Bytes });
    }

    [GlobalCleanup]
    public async Task CloseAsync()
    {
        await _queue.DisposeAsync();
        _source.Dispose();
    }

    [Benchmark(OperationsPerInvoke = Receives)]
    public Task RecvAsync() => ManyAsync(Timeout.InfiniteTimeSpan, CancellationToken.None);

    [Benchmark(OperationsPerInvoke = Receives)]
    public Task RecvAsyncWithTimeout() => ManyAsync(TimeSpan.FromSeconds(1), CancellationToken.None);

    [Benchmark(OperationsPerInvoke = Receives)]
    public Task RecvAsyncWithTimeoutAndToken() => ManyAsync(TimeSpan.FromSeconds(1), _source.Token);

    [Benchmark(OperationsPerInvoke = Receives)]
    public async Task LeaseAsync()
    {
        for (int receive = 0; receive < Receives; receive++)
        {
            ValueTask<BulkInLease> waiting = _queue.LeaseAsync();
            _backend.CompleteNext();
            (await waiting).Dispose();
        }
    }

    private async Task ManyAsync(TimeSpan timeout, CancellationToken token)
    {
        for (int receive = 0; receive < Receives; receive++)
        {
            ValueTask<BulkInResult> waiting = _queue.RecvAsync(_destination, timeout, token);
            _backend.CompleteNext();
            _ = await waiting;
        }
    }
}
