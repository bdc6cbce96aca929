using BulkIn.Backends;
using BulkIn.Core;
using BulkIn.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace BulkIn;

public sealed class ControlVerbsTests
{
    [Theory]
    [InlineData(nameof(ControlVerb.Recover))]
    [InlineData(nameof(ControlVerb.Resume))]
    public async Task ServeAsync_ClosedSinceTheVerbWasChosen_LeavesTheAnswerToTheClose(string verb)
    {
        BulkInQueueOptions options = new() { Depth = 2, BufferLength = 1024 };
        var endpoint = new SimulatedEndpoint();
        var backend = new GuardedBackend(endpoint.Backend, NullLogger.Instance);
        var pool = new SlotPool(backend, options, new ReaderSignal(), static () => { });
        var recovery = new Recovery(pool, backend, options, new TransportDrain(pool, cancelAbortsEndpoint: false), new NativeWork(), NullLogger.Instance, "queue");
        var verbs = new ControlVerbs(pool, backend, recovery, "queue");

        // The window: the loop has chosen the verb, has left the gate, and looks at the state now.
        pool.Close();

        await Assert.ThrowsAsync<OperationCanceledException>(() => verbs.ServeAsync(Enum.Parse<ControlVerb>(verb), CancellationToken.None).InTime());
        Assert.Equal(0, pool.FreeOrAbandon(abandon: false));
    }

    [Fact]
    public async Task ServeAsync_PauseFindsThatTheDeviceIsGone_EndsTheStream()
    {
        BulkInQueueOptions options = new() { Depth = 2, BufferLength = 1024 };
        var endpoint = new SimulatedEndpoint();
        var backend = new GuardedBackend(endpoint.Backend, NullLogger.Instance);
        var pool = new SlotPool(backend, options, new ReaderSignal(), static () => { });
        var recovery = new Recovery(pool, backend, options, new TransportDrain(pool, cancelAbortsEndpoint: false), new NativeWork(), NullLogger.Instance, "queue");
        var verbs = new ControlVerbs(pool, backend, recovery, "queue");
        lock (pool.Gate)
        {
            Assert.Null(pool.StartPosting());
        }

        // The submit that follows the take is the first to hear of it, and the pause was chosen before the control looked at the fault.
        endpoint.Deliver([1]);
        endpoint.Submits.Next(new BackendResult(BackendStatus.NoDevice, -4));
        Assert.True(pool.TryTakeData(out Received received), "The data had arrived.");

        BulkInException gone = await Assert.ThrowsAsync<BulkInException>(() => verbs.ServeAsync(ControlVerb.Pause, CancellationToken.None).InTime());

        Assert.Equal((BulkInError.DeviceGone, -4, BulkInState.Gone), (gone.Error, gone.NativeCode, pool.State));
        pool.Return(received.Buffer);
        pool.Close();
        Assert.Equal(0, pool.FreeOrAbandon(abandon: false));
    }

    [Fact]
    public async Task TryPostAgainAsync_SomethingMoreUrgentCameOrTheQueueWasClosed_PostsNothing()
    {
        BulkInQueueOptions options = new() { Depth = 2, BufferLength = 1024 };
        var endpoint = new SimulatedEndpoint();
        var backend = new GuardedBackend(endpoint.Backend, NullLogger.Instance);
        var pool = new SlotPool(backend, options, new ReaderSignal(), static () => { });
        var recovery = new Recovery(pool, backend, options, new TransportDrain(pool, cancelAbortsEndpoint: false), new NativeWork(), NullLogger.Instance, "queue");

        await Assert.ThrowsAsync<OperationCanceledException>(() => recovery.TryPostAgainAsync(fault: null, new CancellationToken(canceled: true)).InTime());
        Assert.Equal(0L, endpoint.Submissions);

        pool.Close();
        await Assert.ThrowsAsync<OperationCanceledException>(() => recovery.TryPostAgainAsync(fault: null, CancellationToken.None).InTime());
        Assert.Equal(0L, endpoint.Submissions);
        Assert.Equal(0, pool.FreeOrAbandon(abandon: false));
    }
}
