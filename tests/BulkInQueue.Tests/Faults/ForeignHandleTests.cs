using BulkIn.Backends;
using BulkIn.Testing;
using Microsoft.Extensions.Logging.Testing;
using Xunit;

namespace BulkIn;

/// <summary>A handle that belongs to somebody else, who closes it under the queue.</summary>
public sealed class ForeignHandleTests : FaultTest
{
    private static readonly SimulatedEventKind[] NativeCalls =
        [SimulatedEventKind.Submitted, SimulatedEventKind.SubmitRefused, SimulatedEventKind.CancelRequested, SimulatedEventKind.ClearHaltRequested, SimulatedEventKind.ProbeRequested];

    protected override SimulatedEndpointOptions EndpointOptions => base.EndpointOptions with { Capabilities = BulkInCapabilities.OwnerMayClose };

    [Fact]
    [FaultRow(53)]
    public async Task CloseHandle_Idle_IsNoticedWithinASecond()
    {
        BulkInQueue queue = Open();
        ValueTask<BulkInResult> pending = queue.RecvAsync(Destination);
        Close();

        Time.Advance(Second);

        BulkInException fault = await Assert.ThrowsAsync<BulkInException>(() => pending.InTime("the receive under a closed handle"));
        Assert.Equal((BulkInError.HandleClosed, true), (fault.Error, fault.IsTerminal));
        Assert.Equal((BulkInState.Gone, 1L), (queue.State, queue.Statistics.Faults));
        await FaultAsync(queue, BulkInError.HandleClosed);
        await Assert.ThrowsAsync<BulkInException>(() => queue.RecoverAsync().InTime());
        await queue.DisposeAsync().InTime("a dispose that has nothing to wait for");
        Assert.Equal((4, 4, 4), (queue.Statistics.Leaked, Device.LeakedTransfers, Device.LeakedBuffers));
        NoNativeCallAfterTheClose();
    }

    [Fact]
    [FaultRow(53)]
    [FaultRow(79)]
    public async Task CloseHandle_DataReady_IsNoticedByTheNextSubmitAndTheDataComesFirst()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        Device.Deliver([2]);
        Close();

        await DataAsync(queue, 1);
        await DataAsync(queue, 2);
        await FaultAsync(queue, BulkInError.HandleClosed);
    }

    [Fact]
    [FaultRow(53)]
    public async Task DisposeAsync_HandleClosedJustBefore_DoesNotWaitForTheBound()
    {
        FakeLogger logger = new();
        BulkInQueue queue = Open(Defaults with { Logger = logger });
        Close();

        await queue.DisposeAsync().InTime("a dispose that sees the closed handle itself");

        Assert.Equal(4, queue.Statistics.Leaked);
        Assert.Contains(logger.Collector.GetSnapshot(), r => r.Message.Contains("its owner closed the handle first", StringComparison.Ordinal));
        NoNativeCallAfterTheClose();
    }

    [Fact]
    [FaultRow(53)]
    public async Task DisposeAsync_OwnerStoppedItsEventThread_IsBoundedAndDiagnosed()
    {
        FakeLogger logger = new();
        BulkInQueue queue = Open(Defaults with { Logger = logger });
        Device.Cancels.Always(Lost);
        Device.AllowedLeaks = 4;

        Task disposed = queue.DisposeAsync().AsTask();
        await CancelledAsync(4);
        await ClockUntilAsync(disposed);

        Assert.Equal(4, queue.Statistics.Leaked);
        Assert.Contains(logger.Collector.GetSnapshot(), r => r.Message.Contains("the event thread that pumps this handle has stopped", StringComparison.Ordinal));
    }

    [Theory]
    [FaultRow(55)]
    [InlineData(BulkInState.Running)]
    [InlineData(BulkInState.Paused)]
    [InlineData(BulkInState.Faulted)]
    [InlineData(BulkInState.Stopped)]
    public async Task CloseHandle_AnyState_NoNativeCallFollows(BulkInState state)
    {
        BulkInQueue queue = Open(Manual);
        if (state == BulkInState.Paused)
        {
            await queue.PauseAsync().InTime();
        }
        else if (state == BulkInState.Stopped)
        {
            await queue.StopAsync().InTime();
        }
        else if (state == BulkInState.Faulted)
        {
            Device.Stall();
            await StateAsync(queue, state);
        }

        Close();
        Time.Advance(Second);
        if (state != BulkInState.Stopped)
        {
            await StateAsync(queue, BulkInState.Gone);
        }

        await queue.StopAsync().InTime("a stop that has nothing to cancel");
        Assert.Equal(BulkInState.Stopped, queue.State);
        Time.Advance(10 * Second);
        await queue.DisposeAsync().InTime();
        NoNativeCallAfterTheClose();
        Assert.Equal(state == BulkInState.Running ? 4 : 0, queue.Statistics.Leaked);
    }

    [Fact]
    [FaultRow(70)]
    public async Task CloseHandle_WhileAFaultIsProbed_ThatFaultThenHandleClosed()
    {
        BulkInQueue queue = Open();
        SimulationGate gate = new();
        Device.Probes.Next(new SimulatedProbe { Gate = gate });
        Device.Hold();
        Device.Deliver([1]);
        Device.Error();
        Device.Deliver([2]);
        Device.StopHolding();
        await gate.WhenReachedAsync();
        ValueTask<BulkInResult> pending = queue.RecvAsync(Destination);
        Assert.Equal(1, (await pending.InTime()).Length);
        pending = queue.RecvAsync(Destination);
        Close();
        Time.Advance(Second);
        await StateAsync(queue, BulkInState.Gone);

        BulkInException fault = await Assert.ThrowsAsync<BulkInException>(() => pending.InTime("the fault whose probe was cut short"));
        Assert.Equal((BulkInError.TransferError, 1L), (fault.Error, fault.Sequence));
        await DataAsync(queue, 2);
        await FaultAsync(queue, BulkInError.HandleClosed);
        await FaultAsync(queue, BulkInError.HandleClosed);
        gate.Open();
    }

    [Fact]
    [FaultRow(70)]
    public async Task CloseHandle_WhileADrainWaits_DoesNotWaitForTheBound()
    {
        BulkInQueue queue = Open();
        Device.Cancels.Next(Late, times: 3);
        Device.StallOnce();
        await CancelledAsync(3);
        Close();
        Time.Advance(Second);

        await StateAsync(queue, BulkInState.Gone);
        await FaultAsync(queue, BulkInError.HandleClosed);
        Device.Release();
    }

    [Theory]
    [FaultRow(53)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task CloseHandle_WhileAStopOrAPauseDrains_DoesNotWaitForTheBound(bool pause)
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        Device.Cancels.Always(Late);
        Task verb = pause ? queue.PauseAsync() : queue.StopAsync();
        await CancelledAsync(3);
        Close();
        Time.Advance(Second);

        if (pause)
        {
            Assert.Equal(BulkInError.HandleClosed, (await Assert.ThrowsAsync<BulkInException>(() => verb.InTime("a pause under a closed handle"))).Error);
        }
        else
        {
            await verb.InTime("a stop under a closed handle");
        }

        await DataAsync(queue, 1);
        await FaultAsync(queue, BulkInError.HandleClosed);
        Assert.Equal(pause ? BulkInState.Gone : BulkInState.Stopped, queue.State);
        Device.Release();
    }

    [Fact]
    [FaultRow(53)]
    public async Task CloseHandle_WhileTheHaltIsBeingCleared_IsHandleClosed()
    {
        BulkInQueue queue = Open();
        Device.Hooks.ClearingHalt = Close;
        Device.Stall();

        await StateAsync(queue, BulkInState.Gone);
        await FaultAsync(queue, BulkInError.HandleClosed);
    }

    private void Close()
    {
        Device.AllowedLeaks = 4;
        Device.CloseHandle();
    }

    private void NoNativeCallAfterTheClose() =>
        Assert.DoesNotContain(Device.Log.Events.SkipWhile(e => e.Kind != SimulatedEventKind.HandleClosed), e => NativeCalls.Contains(e.Kind));
}
