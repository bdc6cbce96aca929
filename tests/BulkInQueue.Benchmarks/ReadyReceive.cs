using BenchmarkDotNet.Attributes;

namespace BulkIn.Benchmarks;

/// <summary>One receive of data that is there: take, post again, copy. The floor is the copy alone.</summary>
[MemoryDiagnoser]
[MinColumn]
public class ReadyReceive
{
    private readonly CancellationTokenSource _source = new();
    private BulkInQueue _queue = null!;
    private byte[] _destination = null!;
    private byte[] _origin = null!;

    [Params(512, 16 * 1024)]
    public int Bytes { get; set; }

    [GlobalSetup]
    public void Open()
    {
#pragma warning disable CA2000 // The queue disposes of its backend.
        _queue = BulkInQueue.Open(new LoopbackBackend(Bytes, completesAtOnce: true), new BulkInQueueOptions { BufferLength = 16 * 1024 });
#pragma warning restore CA2000
        _destination = new byte[Bytes];
        _origin = new byte[Bytes];
    }

    [GlobalCleanup]
    public async Task CloseAsync()
    {
        await _queue.DisposeAsync();
        _source.Dispose();
    }

    [Benchmark(Baseline = true)]
    public int CopyOnly()
    {
        _origin.AsSpan().CopyTo(_destination);
        return Bytes;
    }

    [Benchmark]
    public int TryRecv() => _queue.TryRecv(_destination, out BulkInResult result) ? result.Length : -1;

    [Benchmark]
    public int Recv() => _queue.Recv(_destination, Timeout.InfiniteTimeSpan).Length;

    [Benchmark]
    public async ValueTask<int> RecvAsync() => (await _queue.RecvAsync(_destination)).Length;

    [Benchmark]
    public async ValueTask<int> RecvAsyncWithTimeoutAndToken() => (await _queue.RecvAsync(_destination, TimeSpan.FromSeconds(1), _source.Token)).Length;

    [Benchmark]
    public async ValueTask<int> LeaseAsync()
    {
        using BulkInLease lease = await _queue.LeaseAsync();
        return lease.Length;
    }
}
