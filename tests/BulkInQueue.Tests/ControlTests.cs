using BulkIn.Backends;
using BulkIn.Testing;
using Xunit;

namespace BulkIn;

public class ControlTests : QueueTest
{
    [Fact]
    public async Task Stall_Automatic_ThrowsOnceAndGoesOn()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        Device.Stall();
        await StateAsync(queue, BulkInState.Running);

        Assert.Equal([1], await ReceiveAsync(queue));
        BulkInException fault = await FaultAsync(queue);
        Device.Deliver([2]);

        Assert.Equal([2], await ReceiveAsync(queue));
        Assert.Equal((BulkInError.Stall, true, 1L, 1L), (fault.Error, fault.RecoversByItself, fault.Sequence, fault.BytePosition));
        Assert.Contains("recovers by itself", fault.Message, StringComparison.Ordinal);
        Assert.Equal(4, Device.Posted);
        Assert.Equal((1L, 1L), (queue.Statistics.Faults, queue.Statistics.Recoveries));
    }

    [Fact]
    public async Task Stall_PendingReceive_EndsInTheFault()
    {
        BulkInQueue queue = Open();
        Task<BulkInException> fault = FaultAsync(queue);

        Device.Stall();

        Assert.Equal(BulkInError.Stall, (await fault.InTime()).Error);
    }

    [Fact]
    public async Task Stall_Manual_StaysUntilRecoverAsync()
    {
        BulkInQueue queue = Open(Defaults with { Recovery = BulkInRecovery.Manual });
        Device.Stall();
        await StateAsync(queue, BulkInState.Faulted);

        BulkInException first = await FaultAsync(queue);
        BulkInException again = await FaultAsync(queue);
        Assert.Equal(0, Device.InFlight);
        await queue.RecoverAsync().InTime();

        Assert.Equal((BulkInError.Stall, false), (first.Error, first.RecoversByItself));
        Assert.Equal(first.Message, again.Message);
        Assert.Equal(BulkInState.Running, queue.State);
        Device.Deliver([3]);
        Assert.Equal([3], await ReceiveAsync(queue));
    }

    [Fact]
    public async Task Fault_AttemptsUsedUp_StaysFaulted()
    {
        BulkInQueue queue = Open();
        Device.Storm(TransferStatus.Stall);

        await AdvanceUntilAsync(() => queue.State == BulkInState.Faulted);

        for (int i = 0; i < 5; i++)
        {
            Assert.True((await FaultAsync(queue)).RecoversByItself, "Each generation's fault is thrown once.");
        }

        BulkInException last = await FaultAsync(queue);
        Assert.False(last.RecoversByItself, "The queue gave up.");
        Assert.Equal(last.Message, (await FaultAsync(queue)).Message);
        Device.Calm();
        await queue.RecoverAsync().InTime();
        Device.Deliver([1]);
        Assert.Equal([1], await ReceiveAsync(queue));
    }

    [Fact]
    public async Task Interrupted_WaitsForRecoverAsync()
    {
        BulkInQueue queue = Open();
        Device.Interrupt(Interruption.Reset);
        await StateAsync(queue, BulkInState.Faulted);

        BulkInException fault = await FaultAsync(queue);
        Assert.Equal((BulkInError.Interrupted, false), (fault.Error, fault.RecoversByItself));
        Device.Restore();
        await queue.RecoverAsync().InTime();

        Device.Deliver([1]);
        Assert.Equal([1], await ReceiveAsync(queue));
    }

    [Theory]
    [InlineData(UnplugFlavor.Linux)]
    [InlineData(UnplugFlavor.LinuxBusError)]
    [InlineData(UnplugFlavor.Windows)]
    [InlineData(UnplugFlavor.MacOSUsb3)]
    [InlineData(UnplugFlavor.MacOSUsb2)]
    public async Task Unplug_DataReady_DataFirstThenGoneForGood(UnplugFlavor flavor)
    {
        using SimulatedEndpoint device = new(new SimulatedEndpointOptions
        {
            TimeProvider = Time,
            Capabilities = flavor == UnplugFlavor.Windows ? BulkInCapabilities.StallMayMeanGone : BulkInCapabilities.None,
        });
        await using BulkInQueue queue = device.OpenQueue(Defaults);
        device.Deliver([1]);
        device.Deliver([2]);

        device.Unplug(flavor);

        await AdvanceUntilAsync(() => queue.State == BulkInState.Gone);
        Assert.Equal([1], await ReceiveAsync(queue));
        Assert.Equal([2], await ReceiveAsync(queue));
        for (int i = 0; i < 3; i++)
        {
            BulkInException fault = await FaultAsync(queue);
            Assert.Equal((BulkInError.DeviceGone, true), (fault.Error, fault.IsTerminal));
        }

        Assert.Equal(BulkInError.DeviceGone, (await Assert.ThrowsAsync<BulkInException>(() => queue.RecoverAsync().InTime())).Error);
        Assert.Equal(BulkInError.DeviceGone, (await Assert.ThrowsAsync<BulkInException>(() => queue.PauseAsync().InTime())).Error);
        Assert.Equal(BulkInError.DeviceGone, (await Assert.ThrowsAsync<BulkInException>(() => queue.ResumeAsync().InTime())).Error);
        await queue.StopAsync().InTime();
        Assert.Equal(BulkInStatus.Stopped, (await queue.RecvAsync(Destination).InTime()).Status);
    }

    [Fact]
    public async Task PauseAsync_PendingReceive_SurvivesUntilResume()
    {
        BulkInQueue queue = Open();
        ValueTask<BulkInResult> receive = queue.RecvAsync(Destination);

        await queue.PauseAsync().InTime();
        Assert.Equal(BulkInState.Paused, queue.State);
        Assert.Equal(0, Device.InFlight);
        Assert.False(receive.IsCompleted, "A pending receive survives a pause.");
        await queue.ResumeAsync().InTime();

        Assert.Equal(4, Device.Posted);
        Device.Deliver([1]);
        Assert.Equal(1, (await receive.InTime()).Length);
    }

    [Fact]
    public async Task PauseAsync_DataArrived_StaysReceivable()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        Device.Deliver([2]);

        await queue.PauseAsync().InTime();

        Assert.Equal([1], await ReceiveAsync(queue));
        Assert.Equal([2], await ReceiveAsync(queue));
        Assert.Equal(BulkInStatus.TimedOut, (await queue.RecvAsync(Destination, TimeSpan.Zero).InTime()).Status);
    }

    [Fact]
    public async Task StopAsync_DataArrived_DataThenStopped()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);

        await queue.StopAsync().InTime();

        Assert.Equal([1], await ReceiveAsync(queue));
        Assert.Equal(BulkInStatus.Stopped, (await queue.RecvAsync(Destination).InTime()).Status);
        Assert.True(queue.TryRecv(Destination, out BulkInResult result));
        Assert.Equal(BulkInStatus.Stopped, result.Status);
        await Assert.ThrowsAsync<InvalidOperationException>(() => queue.ResumeAsync().InTime());
        await Assert.ThrowsAsync<InvalidOperationException>(() => queue.PauseAsync().InTime());
        await Assert.ThrowsAsync<InvalidOperationException>(() => queue.RecoverAsync().InTime());
        await queue.StopAsync().InTime();
    }

    [Fact]
    public async Task StopAsync_PendingReceive_EndsIt()
    {
        BulkInQueue queue = Open();
        ValueTask<BulkInResult> receive = queue.RecvAsync(Destination);

        await queue.StopAsync().InTime();

        Assert.Equal(BulkInStatus.Stopped, (await receive.InTime()).Status);
    }

    [Fact]
    public async Task Verb_TokenCancelled_EndsTheWaitNotTheOperation()
    {
        BulkInQueue queue = Open();
        SimulationGate gate = new();
        Device.Cancels.Next(new SimulatedCancel { Gate = gate });
        using CancellationTokenSource cancel = new();
        Task pause = queue.PauseAsync(cancel.Token);

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pause.InTime());
        gate.Open();
        await StateAsync(queue, BulkInState.Paused);
    }

    [Fact]
    public async Task Members_DisposedAndTokenCancelled_SayDisposed()
    {
        BulkInQueue queue = Open();
        CancellationToken cancelled = new(canceled: true);
        await queue.DisposeAsync().InTime();

        foreach (Func<Task> member in (Func<Task>[])
        [
            () => queue.RecvAsync(Destination, cancelled).InTime(),
            () => queue.LeaseAsync(cancelled).InTime(),
            () => queue.RecoverAsync(cancelled).InTime(),
            () => queue.PauseAsync(cancelled).InTime(),
            () => queue.ResumeAsync(cancelled).InTime(),
            () => queue.StopAsync(cancelled).InTime(),
        ])
        {
            await Assert.ThrowsAsync<ObjectDisposedException>(member);
        }
    }

    [Fact]
    [FaultRow(88)]
    public async Task PauseAsync_FaultAfterEveryRecovery_GetsItsTurn()
    {
        BulkInQueue queue = Open(Defaults with { Depth = 2, RecoveryAttempts = 1000, RecoveryBackoff = TimeSpan.Zero });

        // The device halts as soon as both slots are posted, before the queue can look at anything else.
        Device.Hooks.Submitted = _ =>
        {
            if (Device.Posted == 2)
            {
                Device.StallOnce();
            }
        };
        int recoveries = 0;
        TaskCompletionSource<Task> asked = new();
        Device.Hooks.ClearingHalt = () =>
        {
            if (++recoveries == 3)
            {
                asked.SetResult(queue.PauseAsync());
            }
        };
        Device.StallOnce();

        await (await asked.Task.InTime()).InTime();

        Assert.Equal((BulkInState.Paused, 3L), (queue.State, queue.Statistics.Recoveries));
    }

    [Fact]
    [FaultRow(88)]
    public async Task Verbs_AskedForBesideAFaultThatARecoveryLeft_TakeTurnsWithIt()
    {
        Task? first = null;
        BulkInQueue? queue = null;
        SimulationGate secondClear = new(Bounded.Limit);
        Device.Hooks.ClearingHalt = () =>
        {
            if (first is not null)
            {
                secondClear.Pass();
                return;
            }

            // In the recovery from the first halt: the device halts again as soon as something is posted.
            Device.Hooks.Submitted = _ =>
            {
                Device.Hooks.Submitted = null;
                Device.Stall();
            };
            first = queue!.ResumeAsync();
        };
        queue = Open(Defaults with { RecoveryBackoff = TimeSpan.Zero });
        Device.Stall();

        // The control stands in its handling of the second fault.
        await secondClear.WhenReachedAsync().InTime();

        Assert.True(first!.IsCompletedSuccessfully);
        Assert.Equal((BulkInState.Recovering, 1L), (queue.State, queue.Statistics.Recoveries));
        Task second = queue.ResumeAsync();
        Assert.False(second.IsCompleted);

        secondClear.Open();

        await second.InTime();
        Assert.Equal((BulkInState.Running, 2L), (queue.State, queue.Statistics.Recoveries));
    }

    [Fact]
    public async Task SubmitFault_AfterGoodData_DataFirstThenTheFault()
    {
        BulkInQueue queue = Open();
        Device.Submits.Next(new BackendResult(BackendStatus.Io, -1, 5));
        Device.Deliver([1]);
        Device.Deliver([2]);

        Assert.Equal([1], await ReceiveAsync(queue));
        Assert.Equal([2], await ReceiveAsync(queue));
        BulkInException fault = await FaultAsync(queue);

        Assert.Equal((BulkInError.SubmitFailed, -1, 5), (fault.Error, fault.NativeCode, fault.SystemError));
        await StateAsync(queue, BulkInState.Running);
        Device.Deliver([3]);
        Assert.Equal([3], await ReceiveAsync(queue));
    }

    [Fact]
    public async Task SubmitNoMemory_WhileOthersArePosted_NeverSurfaces()
    {
        BulkInQueue queue = Open();
        Device.Submits.Next(new BackendResult(BackendStatus.NoMemory, -11), times: 2);
        Device.Deliver([1]);
        Assert.Equal([1], await ReceiveAsync(queue));
        Assert.Equal((3, 2L), (Device.Posted, queue.Statistics.SubmitsDeferred));

        Device.Deliver([2]);
        Assert.Equal([2], await ReceiveAsync(queue));

        Assert.Equal(4, Device.Posted);
        Assert.Equal(0, queue.Statistics.Faults);
    }

    [Fact]
    public async Task Discard_Paused_DropsAllThatHadArrived()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1, 2]);
        Device.Deliver([3]);
        await queue.PauseAsync().InTime();

        Assert.Equal(3, queue.Discard());

        Assert.Equal(3, queue.Statistics.BytesDiscarded);
    }

    [Fact]
    public async Task DisposeAsync_PausedWithData_CountsItAsDiscarded()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1, 2]);
        Device.Deliver([3]);
        await queue.PauseAsync().InTime();

        await queue.DisposeAsync().InTime();

        Assert.Equal(3, queue.Statistics.BytesDiscarded);
    }

    [Fact]
    public async Task ResumeAsync_SubmitRefused_SaysWhereAndPostsNothing()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1, 2]);
        BulkInLease lease = await queue.LeaseAsync().InTime();
        await queue.PauseAsync().InTime();
        Device.Submits.Next(new BackendResult(BackendStatus.Io, -1, 5));

        BulkInException refused = await Assert.ThrowsAsync<BulkInException>(() => queue.ResumeAsync().InTime());

        Assert.Equal((BulkInState.Paused, 1L, 2L), (queue.State, refused.Sequence, refused.BytePosition));
        Assert.Contains(": resuming failed: a transfer was refused (", refused.Message, StringComparison.Ordinal);

        // Nor does a buffer that comes back.
        lease.Dispose();
        Assert.Equal(0, Device.Posted);
        await queue.ResumeAsync().InTime();
        Assert.Equal(queue.Depth, Device.Posted);
    }

    [Fact]
    public async Task ResumeAsync_EveryBufferLeased_IsStarvedUntilOneComesBack()
    {
        BulkInQueue queue = Open(Defaults with { Depth = 1, SpareBuffers = 0 });
        Device.Deliver([1]);
        BulkInLease lease = await queue.LeaseAsync().InTime();
        await queue.PauseAsync().InTime();
        long before = queue.Statistics.Starvations;

        await queue.ResumeAsync().InTime();

        Assert.Equal((BulkInState.Running, 0, before + 1), (queue.State, Device.Posted, queue.Statistics.Starvations));
        lease.Dispose();
        Assert.Equal((1, before + 1), (Device.Posted, queue.Statistics.Starvations));
    }

    [Fact]
    public async Task Verb_TokenCancelledBefore_IsNotServed()
    {
        BulkInQueue queue = Open();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => queue.PauseAsync(new CancellationToken(canceled: true)).InTime());

        // Verbs are served in their order: a pause would have come before this.
        await queue.RecoverAsync().InTime();
        Assert.Equal((BulkInState.Running, 4), (queue.State, Device.Posted));
    }

    [Fact]
    public async Task StopAsync_APauseWaitsForTheRecovery_IsServedBeforeIt()
    {
        BulkInQueue queue = Open();
        SimulationGate gate = new();
        Device.ClearHalts.Next(new SimulatedClearHalt { Gate = gate });
        Device.Stall();
        await gate.WhenReachedAsync();
        Task pause = queue.PauseAsync();

        await queue.StopAsync().InTime("a stop, which cuts the recovery short");

        InvalidOperationException refused = await Assert.ThrowsAsync<InvalidOperationException>(() => pause.InTime("the pause behind the stop"));
        Assert.EndsWith("was stopped and cannot be paused; open a new queue.", refused.Message, StringComparison.Ordinal);
        Assert.Equal(BulkInState.Stopped, queue.State);
        gate.Open();
    }

    [Fact]
    public async Task Verb_InAWrongState_NamesTheStateAndTheWayThere()
    {
        BulkInQueue queue = Open();
        await queue.PauseAsync().InTime();
        Assert.EndsWith(
            "is Paused, not faulted: RecoverAsync only follows a fault.",
            (await Assert.ThrowsAsync<InvalidOperationException>(() => queue.RecoverAsync().InTime())).Message,
            StringComparison.Ordinal);
        await queue.StopAsync().InTime();
        Assert.EndsWith(
            "is Stopped, not paused: ResumeAsync only follows PauseAsync.",
            (await Assert.ThrowsAsync<InvalidOperationException>(() => queue.ResumeAsync().InTime())).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task ResumeAsync_AfterTheQueueGaveUp_TheAttemptsBeginAnew()
    {
        BulkInQueue queue = Open(Defaults with { RecoveryAttempts = 1 });
        Device.ClearHalts.Next(new SimulatedClearHalt { Answer = SimulatedResults.Of(BackendStatus.Pipe) });
        Device.StallOnce();
        await StateAsync(queue, BulkInState.Faulted);
        await queue.PauseAsync().InTime();
        await queue.ResumeAsync().InTime();

        Device.StallOnce();

        await AdvanceUntilAsync(() => queue.Statistics.Recoveries == 1);
        await StateAsync(queue, BulkInState.Running);
    }

    [Fact]
    public async Task LeaseAsync_ASlotWaitsForTheTransportsMemory_BothArePostedWhileSparesLast()
    {
        BulkInQueue queue = Open();
        Device.Submits.Next(new BackendResult(BackendStatus.NoMemory, -11));
        Device.Deliver([1]);
        using BulkInLease first = await queue.LeaseAsync().InTime();
        Assert.Equal(3, Device.Posted);
        Device.Deliver([2]);

        using BulkInLease second = await queue.LeaseAsync().InTime();

        Assert.Equal(4, Device.Posted);
    }

    [Fact]
    public async Task ResumeAsync_ASubmitBehindTheFirstIsRefused_RunsAndTellsItInTheStream()
    {
        BulkInQueue queue = Open();
        await queue.PauseAsync().InTime();
        Device.Submits.Skip(1).Next(new BackendResult(BackendStatus.Io, -1, 5));

        await queue.ResumeAsync().InTime();

        BulkInException fault = await FaultAsync(queue);
        Assert.Equal((BulkInError.SubmitFailed, true), (fault.Error, fault.RecoversByItself));
        await StateAsync(queue, BulkInState.Running);
        Device.Deliver([3]);
        Assert.Equal([3], await ReceiveAsync(queue));
    }

    [Fact]
    public async Task CancelFromOutside_AfterAPauseOfTheQueuesOwn_IsInterrupted()
    {
        BulkInQueue queue = Open();
        await queue.PauseAsync().InTime();
        await queue.ResumeAsync().InTime();

        Device.CancelUnasked(1);

        Assert.Equal(BulkInError.Interrupted, (await FaultAsync(queue)).Error);
    }
}
