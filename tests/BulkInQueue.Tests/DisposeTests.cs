using BulkIn.Backends;
using BulkIn.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Xunit;

namespace BulkIn;

public class DisposeTests : QueueTest
{
    [Fact]
    public async Task DisposeAsync_Idle_CancelsNewestFirstThenFreesAll()
    {
        BulkInQueue queue = Open();

        await queue.DisposeAsync().InTime();

        Assert.Equal(0, Device.InFlight);
        Assert.Equal(0, Device.LeakedTransfers);
        Assert.Equal(0, Device.LeakedBuffers);
        Assert.True(Device.IsBackendDisposed, "The backend goes last.");
        Assert.Equal(BulkInState.Disposed, queue.State);
    }

    [Fact]
    public async Task DisposeAsync_PendingReceive_EndsItWithObjectDisposed()
    {
        BulkInQueue queue = Open();
        ValueTask<BulkInResult> receive = queue.RecvAsync(Destination);

        await queue.DisposeAsync().InTime();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => receive.InTime());
    }

    [Fact]
    public async Task DisposeAsync_BlockedReceive_EndsItWithObjectDisposed()
    {
        BulkInQueue queue = Open();
        Task<BulkInResult> receive = Task.Factory.StartNew(
            () => queue.Recv(Destination, Timeout.InfiniteTimeSpan),
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);

        await queue.DisposeAsync().InTime();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => receive.InTime());
    }

    [Fact]
    public async Task DisposeAsync_ManyThreadsAndAgain_AllEnd()
    {
        BulkInQueue queue = Open();

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => queue.DisposeAsync().AsTask()))).InTime();
        await queue.DisposeAsync().InTime();

        Assert.Equal(0, Device.LeakedTransfers);
    }

    [Fact]
    public async Task DisposeAsync_InAContinuationOfAReceive_Ends()
    {
        BulkInQueue queue = Open();
        Task continuation = DisposeAfterReceiveAsync();

        Device.Deliver([1]);

        await continuation.InTime();
        async Task DisposeAfterReceiveAsync()
        {
            _ = await queue.RecvAsync(Destination);
            await queue.DisposeAsync();
        }
    }

    [Fact]
    public async Task Members_AfterDispose_ThrowObjectDisposed()
    {
        BulkInQueue queue = Open();
        await queue.DisposeAsync().InTime();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => queue.RecvAsync(Destination).InTime());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => queue.LeaseAsync().InTime());
        Assert.Throws<ObjectDisposedException>(() => queue.Recv(Destination, TimeSpan.Zero));
        Assert.Throws<ObjectDisposedException>(() => queue.TryRecv(Destination, out _));
        Assert.Throws<ObjectDisposedException>(() => queue.Discard());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => queue.RecoverAsync().InTime());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => queue.PauseAsync().InTime());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => queue.ResumeAsync().InTime());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => queue.StopAsync().InTime());
    }

    [Fact]
    public async Task DisposeAsync_UndeliveredData_IsCounted()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1, 2, 3]);
        Device.Deliver([4]);
        _ = await queue.RecvAsync(Destination.AsMemory(0, 1)).InTime();

        await queue.DisposeAsync().InTime();

        Assert.Equal(3, queue.Statistics.BytesDiscarded);
    }

    [Fact]
    public async Task DisposeAsync_CancelBlocks_DoesNotBlockTheCaller()
    {
        BulkInQueue queue = Open();
        SimulationGate gate = new();
        Device.Cancels.Next(new SimulatedCancel { Gate = gate });

        ValueTask<BulkInResult> pending = queue.RecvAsync(Destination);

        ValueTask dispose = queue.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => pending.InTime("a receive that waited, while the cancel of its transfer blocks"));
        Assert.False(dispose.IsCompleted, "The cancel is still blocked.");
        gate.Open();
        await dispose.InTime();
    }

    [Fact]
    public async Task DisposeAsync_CompletionNeverComes_LeaksOnPurposeAndSaysSo()
    {
        FakeLogger logger = new();
        BulkInQueue queue = Open(Defaults with { Logger = logger });
        Device.AllowedLeaks = 1;
        Device.Cancels.Next(new SimulatedCancel { Outcome = CancelOutcome.Lost });
        Task dispose = queue.DisposeAsync().AsTask();

        await AdvanceUntilAsync(() => dispose.IsCompleted);

        Assert.Equal(1, queue.Statistics.Leaked);
        FakeLogRecord record = Assert.Single(logger.Collector.GetSnapshot(), r => r.Id.Id == 6);
        Assert.Equal(LogLevel.Error, record.Level);
        Assert.Contains("event thread", record.Message, StringComparison.Ordinal);
        Assert.False(Device.IsBackendDisposed, "Loop, context and handle stay for the late completion.");

        Device.ReleaseLost();
        Assert.Equal(1, queue.Statistics.Leaked);
    }

    [Fact]
    public async Task DisposeAsync_DuringBackoff_DoesNotWaitForIt()
    {
        BulkInQueue queue = Open();
        Device.ClearHalts.Always(new SimulatedClearHalt { Answer = new BackendResult(BackendStatus.Timeout, -7) });
        Device.Stall();
        await StateAsync(queue, BulkInState.Recovering);

        await queue.DisposeAsync().InTime();

        Assert.Equal(0, Device.LeakedTransfers);
    }
}
