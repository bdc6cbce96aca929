using System.Buffers.Binary;
using BulkIn.Backends;
using Xunit;

namespace BulkIn.Testing;

/// <summary>The real queue on the simulated endpoint: what a driver's test sees.</summary>
public sealed class SimulatedEndpointQueueTests
{
    private readonly VirtualClock _clock = new();
    private readonly byte[] _destination = new byte[64 * 1024];

    [Theory]
    [InlineData(UnplugFlavor.Linux, BulkInCapabilities.None)]
    [InlineData(UnplugFlavor.LinuxBusError, BulkInCapabilities.None)]
    [InlineData(UnplugFlavor.Windows, BulkInCapabilities.ClearsHaltItself | BulkInCapabilities.StallMayMeanGone)]
    [InlineData(UnplugFlavor.MacOSUsb2, BulkInCapabilities.CancelAbortsEndpoint)]
    [InlineData(UnplugFlavor.MacOSUsb3, BulkInCapabilities.CancelAbortsEndpoint)]
    public async Task Unplug_EachFlavor_DeliversEarlierDataAndEndsAsGone(UnplugFlavor flavor, BulkInCapabilities platform)
    {
        using SimulatedEndpoint endpoint = new(new SimulatedEndpointOptions { TimeProvider = _clock, Capabilities = platform });
        await using BulkInQueue queue = endpoint.OpenQueue(Options);
        endpoint.Deliver([42]);

        endpoint.Unplug(flavor);

        Assert.Equal(1, (await queue.RecvAsync(_destination).InTime()).Length);
        Assert.Equal(42, _destination[0]);
        BulkInException last = await LastFaultAsync(queue);
        Assert.Equal(BulkInError.DeviceGone, last.Error);
        Assert.Equal(BulkInState.Gone, queue.State);
    }

    [Fact]
    public async Task Stall_AutomaticRecovery_ThrowsOnceAndGoesOn()
    {
        using SimulatedEndpoint endpoint = new(new SimulatedEndpointOptions { TimeProvider = _clock });
        await using BulkInQueue queue = endpoint.OpenQueue(Options);

        endpoint.Stall();
        BulkInException fault = await Assert.ThrowsAsync<BulkInException>(() => queue.RecvAsync(_destination).InTime());
        await endpoint.WaitUntilAsync(e => e.Posted == 4);
        endpoint.Deliver([1, 2]);

        Assert.Equal((BulkInError.Stall, true), (fault.Error, fault.RecoversByItself));
        Assert.Equal(2, (await queue.RecvAsync(_destination).InTime()).Length);
        Assert.False(endpoint.IsHalted);
    }

    [Fact]
    public async Task DisposeAsync_LostCompletion_LeavesExactlyThatBehind()
    {
        using SimulatedEndpoint endpoint = new(new SimulatedEndpointOptions { TimeProvider = _clock }) { AllowedLeaks = 1 };
        endpoint.Cancels.Next(new SimulatedCancel { Outcome = CancelOutcome.Lost });
        BulkInQueue queue = endpoint.OpenQueue(Options);

        Task disposed = queue.DisposeAsync().AsTask();
        await endpoint.WaitUntilAsync(e => e.LostCompletions == 1 && e.InFlight == 1);
        await AdvanceUntilAsync(disposed);

        Assert.Equal((1, 1, 1), (queue.Statistics.Leaked, endpoint.LeakedTransfers, endpoint.LeakedBuffers));
        Assert.False(endpoint.IsBackendDisposed);
    }

    [Fact]
    public async Task DisposeAsync_LateCancels_WaitsForEachBeforeItFreesAnything()
    {
        using SimulatedEndpoint endpoint = new(new SimulatedEndpointOptions { TimeProvider = _clock });
        endpoint.Cancels.Always(new SimulatedCancel { Outcome = CancelOutcome.Late });
        BulkInQueue queue = endpoint.OpenQueue(Options);

        Task disposed = queue.DisposeAsync().AsTask();
        await endpoint.WaitUntilAsync(e => e.HeldCompletions == 4);
        endpoint.Release(3, 1, 0);
        Assert.Empty(endpoint.Log.OfKind(SimulatedEventKind.BufferDisposed));
        Assert.False(disposed.IsCompleted);
        endpoint.Release();

        await disposed.InTime();
        Assert.True(endpoint.IsBackendDisposed);
    }

    [Fact]
    public async Task DisposeAsync_LeaseStillHeld_FreesItsBufferOnReturn()
    {
        using SimulatedEndpoint endpoint = new(new SimulatedEndpointOptions { TimeProvider = _clock });
        BulkInQueue queue = endpoint.OpenQueue(Options);
        endpoint.Deliver([7]);
        BulkInLease lease = await queue.LeaseAsync().InTime();

        await queue.DisposeAsync().InTime();
        Assert.Equal(7, lease.Span[0]);
        lease.Dispose();

        await endpoint.WaitUntilAsync(e => e.IsBackendDisposed);
    }

    [Fact]
    public async Task Submitting_UnplugInsideTheRepost_EndsAsGone()
    {
        using SimulatedEndpoint endpoint = new(new SimulatedEndpointOptions { TimeProvider = _clock });
        await using BulkInQueue queue = endpoint.OpenQueue(Options);
        endpoint.Deliver([1]);
        endpoint.Hooks.Submitting = _ =>
        {
            endpoint.Hooks.Submitting = null;
            endpoint.Unplug();
        };

        Assert.Equal(1, (await queue.RecvAsync(_destination).InTime()).Length);
        Assert.Equal(BulkInError.DeviceGone, (await LastFaultAsync(queue)).Error);
    }

    [Theory]
    [InlineData(CompletionThread.Caller)]
    [InlineData(CompletionThread.Dedicated)]
    public async Task Deliver_ManyNumberedMessages_ArriveInOrder(CompletionThread thread)
    {
        const int Messages = 20_000;
        using SimulatedEndpoint endpoint = new(SimulatedEndpointOptions.Fast with { CompletionThread = thread, ChecksBuffers = true });
        await using BulkInQueue queue = endpoint.OpenQueue(Options with { TimeProvider = TimeProvider.System });
        Task device = Task.Run(() =>
        {
            byte[] message = new byte[8];
            for (int i = 0; i < Messages; i++)
            {
                BinaryPrimitives.WriteInt32LittleEndian(message, i);
                endpoint.Deliver(message);
            }
        });

        for (int i = 0; i < Messages; i++)
        {
            BulkInResult result = await queue.RecvAsync(_destination).InTime();
            Assert.Equal(8, result.Length);
            Assert.Equal(i, BinaryPrimitives.ReadInt32LittleEndian(_destination));
        }

        await device.InTime();
        Assert.Equal(Messages, queue.Statistics.Transfers);
    }

    [Fact]
    public async Task StartInstant_ManyTransfers_AreReceived()
    {
        using SimulatedEndpoint endpoint = new(SimulatedEndpointOptions.Fast);
        await using BulkInQueue queue = endpoint.OpenQueue(Options);
        endpoint.StartInstant(new byte[64]);
        long bytes = 0;
        for (int i = 0; i < 100_000; i++)
        {
            Assert.True(queue.TryRecv(_destination, out BulkInResult result));
            bytes += result.Length;
        }

        Assert.Equal(6_400_000, bytes);
    }

    [Fact]
    public async Task Dock_QueueKeepsTheEndpointPosted_EveryOutAndReplyGoesThrough()
    {
        SimulatedDockOptions defaults = new();
        using SimulatedDock dock = new(defaults with
        {
            Endpoint = defaults.Endpoint with { TimeProvider = _clock },
            Replies = static (number, _) => [BitConverter.GetBytes(number), new byte[1500], new byte[40]],
        });
        await using BulkInQueue queue = dock.Endpoint.OpenQueue(Options with { Depth = 2 });
        Task host = Task.Run(async () =>
        {
            for (int i = 0; i < 200; i++)
            {
                await dock.WriteAsync(new byte[16]);
            }
        });

        // 1500 bytes take two transfers of 1024.
        for (int i = 0; i < 800; i++)
        {
            Assert.Equal(BulkInStatus.Data, (await queue.RecvAsync(_destination).InTime($"receive {i}; {dock.Diagnose()}")).Status);
        }

        await host.InTime();
        Assert.False(queue.TryRecv(_destination, out _));
        Assert.Equal((200L, 600L, 600L), (dock.OutsAccepted, dock.RepliesProduced, dock.RepliesDelivered));
    }

    private BulkInQueueOptions Options => new() { Depth = 4, BufferLength = 1024, TimeProvider = _clock };

    // Faults that come before the last one are those the queue recovers from by itself.
    private async Task<BulkInException> LastFaultAsync(BulkInQueue queue)
    {
        while (true)
        {
            Task<BulkInResult> receive = queue.RecvAsync(_destination).AsTask();
            await AdvanceUntilAsync(receive);
            BulkInException fault = await Assert.ThrowsAsync<BulkInException>(() => receive);
            if (!fault.RecoversByItself)
            {
                return fault;
            }
        }
    }

    private async Task AdvanceUntilAsync(Task task)
    {
        using CancellationTokenSource bound = new(TimeSpan.FromSeconds(30));
        while (!task.IsCompleted)
        {
            Assert.False(bound.IsCancellationRequested, "What the clock was moved for did not happen in time.");
            _clock.Advance(TimeSpan.FromMilliseconds(50));
            await Task.Yield();
        }
    }
}
