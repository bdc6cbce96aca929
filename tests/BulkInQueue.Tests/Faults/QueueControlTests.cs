using BulkIn.Core;
using BulkIn.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace BulkIn;

public sealed class QueueControlTests
{
    [Fact]
    public async Task Start_AFaultWasLatchedBefore_IsHandled()
    {
        BulkInQueueOptions options = new() { Depth = 2, BufferLength = 1024, Recovery = BulkInRecovery.Manual };
        var endpoint = new SimulatedEndpoint();
        var backend = new GuardedBackend(endpoint.Backend, NullLogger.Instance);

        // The window: the call of the control that the fault made came before the start, and found it not started.
        var pool = new SlotPool(backend, options, new ReaderSignal(), static () => { });
        var control = new QueueControl(pool, backend, options, NullLogger.Instance, "queue");
        lock (pool.Gate)
        {
            Assert.Null(pool.StartPosting());
        }

        endpoint.StallOnce();
        Assert.True(pool.IsFaultLatched, "The device halted.");

        control.Start();

        using CancellationTokenSource bound = new(Bounded.Limit);
        while (pool.State != BulkInState.Faulted)
        {
            Assert.False(bound.IsCancellationRequested, $"Nobody looked at the fault: the queue is {pool.State}.");
            await Task.Yield();
        }

        Assert.Equal(1, control.Counters.Faults);
        pool.Close();
        await control.DisposeAsync(Task.CompletedTask).InTime();
        Assert.True(endpoint.IsBackendDisposed, "All was freed.");
    }
}
