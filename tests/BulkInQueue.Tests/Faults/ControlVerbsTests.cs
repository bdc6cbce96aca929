using BulkIn.Backends;
using BulkIn.Core;
using BulkIn.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace BulkIn;

/// <summary>What the control does once it has chosen, in windows that only its parts leave open: the loop between them is not here.</summary>
public sealed class ControlVerbsTests
{
    private readonly SimulatedEndpoint _endpoint = new();
    private readonly SlotPool _pool;
    private readonly Recovery _recovery;
    private readonly ControlVerbs _verbs;

    public ControlVerbsTests()
    {
        BulkInQueueOptions options = new() { Depth = 2, BufferLength = 1024 };
        var backend = new GuardedBackend(_endpoint.Backend, NullLogger.Instance);
        _pool = new SlotPool(backend, options, new ReaderSignal(), static () => { });
        _recovery = new Recovery(_pool, backend, options, new TransportDrain(_pool, cancelAbortsEndpoint: false), new NativeWork(), NullLogger.Instance, "queue");
        _verbs = new ControlVerbs(_pool, backend, _recovery, "queue");
    }

    [Theory]
    [InlineData(nameof(ControlVerb.Recover))]
    [InlineData(nameof(ControlVerb.Resume))]
    public async Task ServeAsync_ClosedSinceTheVerbWasChosen_LeavesTheAnswerToTheClose(string verb)
    {
        // The window: the loop has chosen the verb, has left the gate, and looks at the state now.
        _pool.Close();

        await Assert.ThrowsAsync<OperationCanceledException>(() => _verbs.ServeAsync(Enum.Parse<ControlVerb>(verb), CancellationToken.None).InTime());
        Assert.Equal(0, _pool.FreeOrAbandon(abandon: false));
    }

    [Fact]
    public async Task ServeAsync_PauseFindsThatTheDeviceIsGone_EndsTheStream()
    {
        lock (_pool.Gate)
        {
            Assert.Null(_pool.StartPosting());
        }

        // The submit that follows the take is the first to hear of it, and the pause was chosen before the control looked at the fault.
        _endpoint.Deliver([1]);
        _endpoint.Submits.Next(new BackendResult(BackendStatus.NoDevice, -4));
        Assert.True(_pool.TryTakeData(out Received received), "The data had arrived.");

        BulkInException gone = await Assert.ThrowsAsync<BulkInException>(() => _verbs.ServeAsync(ControlVerb.Pause, CancellationToken.None).InTime());

        Assert.Equal((BulkInError.DeviceGone, -4, BulkInState.Gone), (gone.Error, gone.NativeCode, _pool.State));
        _pool.Return(received.Buffer);
        _pool.Close();
        Assert.Equal(0, _pool.FreeOrAbandon(abandon: false));
    }

    [Fact]
    public async Task TryPostAgainAsync_SomethingMoreUrgentCameOrTheQueueWasClosed_PostsNothing()
    {
        await Assert.ThrowsAsync<OperationCanceledException>(() => _recovery.TryPostAgainAsync(fault: null, new CancellationToken(canceled: true)).InTime());
        Assert.Equal(0L, _endpoint.Submissions);

        _pool.Close();
        await Assert.ThrowsAsync<OperationCanceledException>(() => _recovery.TryPostAgainAsync(fault: null, CancellationToken.None).InTime());
        Assert.Equal(0L, _endpoint.Submissions);
        Assert.Equal(0, _pool.FreeOrAbandon(abandon: false));
    }
}
