using System.Runtime.CompilerServices;
using BulkIn.Testing;
using Xunit;

namespace BulkIn;

/// <summary>Allocations are counted for the whole process, so nothing else may run meanwhile.</summary>
[CollectionDefinition(nameof(RunsAlone), DisableParallelization = true)]
public sealed class RunsAlone;

/// <summary>Steady state allocates nothing, however a receive is made: counted over 100 000 of each.</summary>
[Collection(nameof(RunsAlone))]
public sealed class AllocationTests : IAsyncLifetime
{
    private const int Receives = 100_000;

    private readonly SimulatedEndpoint _device = new(SimulatedEndpointOptions.Fast with { MaxPacketSize = 512 });
    private readonly byte[] _destination = new byte[1024];
    private readonly byte[] _packet = new byte[100];
    private BulkInQueue _queue = null!;

    public Task InitializeAsync()
    {
        _queue = _device.OpenQueue(new BulkInQueueOptions { Depth = 4, BufferLength = 1024 });
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        await _queue.DisposeAsync().InTime();
        _device.Dispose();
    }

    [Fact]
    public Task RecvAsync_Ready_AllocatesNothing() => AllocatesNothing([AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))] async ValueTask () =>
    {
        _device.Deliver(_packet);
        _ = await _queue.RecvAsync(_destination);
    });

    [Fact]
    public Task LeaseAsync_Ready_AllocatesNothing() => AllocatesNothing([AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))] async ValueTask () =>
    {
        _device.Deliver(_packet);
        using BulkInLease lease = await _queue.LeaseAsync();
    });

    [Fact]
    public Task RecvAsync_TimeoutOfZero_AllocatesNothing() => AllocatesNothing([AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))] async ValueTask () => _ = await _queue.RecvAsync(_destination, TimeSpan.Zero));

    [Fact]
    public Task Recv_Ready_AllocatesNothing() => AllocatesNothing(() =>
    {
        _device.Deliver(_packet);
        _ = _queue.Recv(_destination, Timeout.InfiniteTimeSpan);
        return default;
    });

    [Fact]
    public Task RecvAsync_Waiting_AllocatesNothing() => AllocatesNothing([AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))] async ValueTask () =>
    {
        ValueTask<BulkInResult> receive = _queue.RecvAsync(_destination, TimeSpan.FromMinutes(1));
        _device.Deliver(_packet);
        _ = await receive;
    });

    [Fact]
    public async Task RecvAsync_WaitingWithToken_AllocatesNothing()
    {
        using CancellationTokenSource cancel = new();
        await AllocatesNothing([AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))] async ValueTask () =>
        {
            ValueTask<BulkInResult> receive = _queue.RecvAsync(_destination, TimeSpan.FromMinutes(1), cancel.Token);
            _device.Deliver(_packet);
            _ = await receive;
        });
    }

    [Fact]
    public Task LeaseAsync_Waiting_AllocatesNothing() => AllocatesNothing([AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))] async ValueTask () =>
    {
        ValueTask<BulkInLease> receive = _queue.LeaseAsync(TimeSpan.FromMinutes(1));
        _device.Deliver(_packet);
        using BulkInLease lease = await receive;
    });

    /// <summary>Runs the receive often and looks at the bytes that all threads allocated, in rounds: the JIT and the pools settle in the first.</summary>
    private static async Task AllocatesNothing(Func<ValueTask> receive)
    {
        double best = double.MaxValue;
        for (int round = 0; round < 5 && best >= 1; round++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            await RunAsync(receive);
            best = Math.Min(best, (GC.GetTotalAllocatedBytes(precise: true) - before) / (double)Receives);
        }

        // The whole process is counted, so the runner's own few kilobytes are allowed for: less than one byte for each receive.
        Assert.True(best < 1, $"{best:F2} bytes were allocated for each receive.");
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private static async ValueTask RunAsync(Func<ValueTask> receive)
    {
        for (int i = 0; i < Receives; i++)
        {
            await receive();
        }
    }
}
