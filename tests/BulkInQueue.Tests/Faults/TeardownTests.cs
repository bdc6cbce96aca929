using BulkIn.Backends;
using BulkIn.Testing;
using Microsoft.Extensions.Logging.Testing;
using Xunit;

namespace BulkIn;

public sealed class TeardownTests : FaultTest
{
    [Fact]
    [FaultRow(25)]
    public async Task DisposeAsync_WhileTheHaltIsBeingCleared_WaitsForItAndPostsNothing()
    {
        BulkInQueue queue = Open();
        SimulationGate gate = new();
        Device.ClearHalts.Next(new SimulatedClearHalt { Gate = gate });
        Device.Stall();
        await gate.WhenReachedAsync();

        Task disposed = queue.DisposeAsync().AsTask();

        Assert.Equal(BulkInState.Disposed, queue.State);
        Assert.Throws<ObjectDisposedException>(() => { _ = queue.RecoverAsync(); });
        Assert.False(disposed.IsCompleted, "The clear-halt request still uses the device.");
        gate.Open();
        await disposed.InTime();
        Assert.Equal((4L, BulkInState.Disposed), (Device.Submissions, queue.State));
    }

    [Fact]
    [FaultRow(25)]
    public async Task DisposeAsync_VerbsPending_TheyEndWithObjectDisposed()
    {
        BulkInQueue queue = Open(Manual);
        SimulationGate gate = new();
        Device.Stall();
        await StateAsync(queue, BulkInState.Faulted);
        Device.ClearHalts.Next(new SimulatedClearHalt { Gate = gate });
        Task recover = queue.RecoverAsync();
        Task pause = queue.PauseAsync();
        Task resume = queue.ResumeAsync();
        await gate.WhenReachedAsync();

        Task disposed = queue.DisposeAsync().AsTask();
        foreach (Task verb in (Task[])[recover, pause, resume])
        {
            await Assert.ThrowsAsync<ObjectDisposedException>(() => verb.InTime());
        }

        gate.Open();
        await disposed.InTime();
    }

    [Fact]
    [FaultRow(25)]
    [FaultRow(74)]
    public async Task DisposeAsync_RacingTheEndOfAnything_StaysDisposedAndFreesAll()
    {
        for (int round = 0; round < 400; round++)
        {
            using SimulatedEndpoint device = new(EndpointOptions with { LogCapacity = 200 });
            BulkInQueue queue = device.OpenQueue(Manual);
            SimulationGate gate = new();
            Task verb;
            if (round % 4 == 0)
            {
                device.Cancels.Next(Late, times: 4);
                verb = queue.PauseAsync();
                await device.WaitUntilAsync(d => d.HeldCompletions == 4);
            }
            else if (round % 4 == 1)
            {
                device.Cancels.Next(Late, times: 4);
                verb = queue.StopAsync();
                await device.WaitUntilAsync(d => d.HeldCompletions == 4);
            }
            else
            {
                device.Stall();
                await StateAsync(queue, BulkInState.Faulted);
                if (round % 4 == 3)
                {
                    await queue.PauseAsync().InTime();
                }

                device.ClearHalts.Next(new SimulatedClearHalt { Gate = gate });
                verb = round % 4 == 3 ? queue.ResumeAsync() : queue.RecoverAsync();
                await gate.WhenReachedAsync();
            }

            using Barrier start = new(2);
            Task release = Task.Run(() =>
            {
                start.SignalAndWait();
                gate.Open();
                device.Release();
            });
            Task dispose = Task.Run(async () =>
            {
                start.SignalAndWait();
                await queue.DisposeAsync();
            });
            await Task.WhenAll(release, dispose).InTime();
            device.StopHolding();

            Assert.Equal(BulkInState.Disposed, queue.State);
            await Task.WhenAny(verb).InTime();
            _ = verb.Exception;
        }
    }

    [Fact]
    [FaultRow(37)]
    public async Task DisposeAsync_OneCancelAbortsTheEndpoint_CancelsOnce()
    {
        using SimulatedEndpoint device = new(EndpointOptions with { Capabilities = BulkInCapabilities.CancelAbortsEndpoint });
        BulkInQueue queue = device.OpenQueue(Defaults with { Depth = 16 });

        await queue.DisposeAsync().InTime();

        Assert.Single(device.Log.OfKind(SimulatedEventKind.CancelRequested));
    }

    [Fact]
    [FaultRow(69)]
    public async Task DisposeAsync_TheAbortingCancelComesTooLate_CancelsTheNext()
    {
        using SimulatedEndpoint device = new(EndpointOptions with { Capabilities = BulkInCapabilities.CancelAbortsEndpoint });
        device.Cancels.Next(new SimulatedCancel { Outcome = CancelOutcome.CompletedFirst });
        BulkInQueue queue = device.OpenQueue(Defaults);

        await queue.DisposeAsync().InTime("a dispose whose first cancel found its transfer completed");

        Assert.Equal(2, device.Log.OfKind(SimulatedEventKind.CancelRequested).Count);
    }

    [Theory]
    [FaultRow(45)]
    [InlineData(1)]
    [InlineData(32)]
    [InlineData(256)]
    public async Task DisposeAsync_ManyPosted_CancelsNewestFirstAndFreesAll(int depth)
    {
        BulkInQueue queue = Open(Defaults with { Depth = depth });

        await queue.DisposeAsync().InTime();

        Assert.Equal(
            Enumerable.Range(0, depth).Select(i => (long)i).Reverse(),
            Device.Log.OfKind(SimulatedEventKind.CancelRequested).Select(e => e.Submission));
        Assert.Equal((0, true), (Device.InFlight, Device.IsBackendDisposed));
    }

    [Fact]
    [FaultRow(47)]
    public async Task PauseAsync_CancelTooLate_KeepsTheDataInOrder()
    {
        BulkInQueue queue = Open();
        for (int i = 3; i >= 0; i--)
        {
            Device.Cancels.Next(new SimulatedCancel { Outcome = i % 2 == 0 ? CancelOutcome.CompletedFirst : CancelOutcome.Cancelled, Data = new byte[] { (byte)i } });
        }

        await queue.PauseAsync().InTime();

        for (byte i = 0; i < 4; i++)
        {
            BulkInResult result = await queue.RecvAsync(Destination).InTime();
            Assert.Equal((1, i, i % 2 == 0), (result.Length, Destination[0], result.EndOfMessage));
        }

        Assert.Equal(0, queue.Statistics.Faults);
        await queue.ResumeAsync().InTime();
        await WorksAsync(queue);
    }

    [Theory]
    [FaultRow(48)]
    [InlineData(BackendStatus.NoDevice)]
    [InlineData(BackendStatus.Other)]
    [InlineData(BackendStatus.NotFound)]
    public async Task DisposeAsync_CancelAnswersAnError_WaitsForTheCompletionAllTheSame(BackendStatus status)
    {
        BulkInQueue queue = Open();
        Device.Cancels.Always(Late with { Answer = Of(status) });

        Task disposed = queue.DisposeAsync().AsTask();
        await Device.WaitUntilAsync(d => d.HeldCompletions == 4);
        Device.Release(0, 1, 3);
        Assert.False(disposed.IsCompleted, "One transfer is still out.");
        Assert.Empty(Device.Log.OfKind(SimulatedEventKind.TransferDisposed));
        Device.Release();

        await disposed.InTime();
    }

    [Fact]
    [FaultRow(50)]
    public async Task DisposeAsync_CompletionNeverComes_LeaksItSaysSoAndALateOneIsHarmless()
    {
        FakeLogger logger = new();
        BulkInQueue queue = Open(Defaults with { Logger = logger });
        Device.Cancels.Skip(1).Next(Lost);
        Device.AllowedLeaks = 1;

        Task disposed = queue.DisposeAsync().AsTask();
        await CancelledAsync(4);
        await ClockUntilAsync(disposed);

        Assert.Equal(1, queue.Statistics.Leaked);
        Assert.Equal((1, 1, false), (Device.LeakedTransfers, Device.LeakedBuffers, Device.IsBackendDisposed));
        Assert.Contains(logger.Collector.GetSnapshot(), r => r.Message.Contains("left 1 transfers", StringComparison.Ordinal));
        Device.ReleaseLost();
        Device.VerifyNoMisuse();
        Assert.Equal((1, BulkInState.Disposed), (Device.LeakedTransfers, queue.State));
    }

    [Theory]
    [FaultRow(66)]
    [InlineData(BulkInRecovery.Automatic)]
    [InlineData(BulkInRecovery.Manual)]
    public async Task Stall_SiblingNeverComesBack_NothingIsClearedOrPosted(BulkInRecovery recovery)
    {
        BulkInQueue queue = Open(Defaults with { Recovery = recovery });
        Device.Cancels.Next(Lost);
        Device.AllowedLeaks = 1;
        Device.Deliver([1]);
        Device.StallOnce();
        await CancelledAsync(2);

        await ClockUntilAsync(() => queue.State == BulkInState.Faulted);

        await DataAsync(queue, 1);
        await FaultAsync(queue, BulkInError.CompletionMissing);
        await FaultAsync(queue, BulkInError.CompletionMissing);
        Assert.Equal(BulkInError.CompletionMissing, (await Assert.ThrowsAsync<BulkInException>(() => queue.RecoverAsync().InTime())).Error);
        Assert.Equal(BulkInError.CompletionMissing, (await Assert.ThrowsAsync<BulkInException>(() => queue.PauseAsync().InTime())).Error);
        Assert.Equal((4L, 0), (Device.Submissions, Count(SimulatedEventKind.ClearHaltRequested)));
        await ClockUntilAsync(queue.DisposeAsync().AsTask());
        Assert.Equal(1, queue.Statistics.Leaked);
    }

    [Fact]
    [FaultRow(67)]
    public async Task Stall_ACancelBlocksBeyondTheBound_NothingIsPostedUnderIt()
    {
        BulkInQueue queue = Open();
        SimulationGate gate = new();
        Device.Cancels.Next(new SimulatedCancel { Gate = gate });
        Device.StallOnce();
        await gate.WhenReachedAsync();

        // The transfer under the blocked cancel completes, and its siblings, too; the call alone does not return.
        for (byte i = 0; i < 3; i++)
        {
            Device.Deliver([i]);
        }

        await ClockUntilAsync(() => queue.State == BulkInState.Faulted);
        await FaultAsync(queue, BulkInError.CompletionMissing);
        await Assert.ThrowsAsync<BulkInException>(() => queue.RecoverAsync().InTime());
        Assert.Equal(4L, Device.Submissions);

        gate.Open();
        await queue.DisposeAsync().InTime("a dispose after the blocked cancel returned");
        Assert.Equal((0, true), (queue.Statistics.Leaked, Device.IsBackendDisposed));
    }

    [Fact]
    [FaultRow(68)]
    public async Task DisposeAsync_CompletionsCameAfterTheBound_FreesAllAtOnce()
    {
        BulkInQueue queue = Open();
        Device.Cancels.Next(Late, times: 3);
        Device.StallOnce();
        await CancelledAsync(3);
        await ClockUntilAsync(() => queue.State == BulkInState.Faulted);

        Device.Release();
        await queue.DisposeAsync().InTime("a dispose that has nothing to wait for");

        Assert.Equal((0, true), (queue.Statistics.Leaked, Device.IsBackendDisposed));
    }

    [Fact]
    [FaultRow(68)]
    public async Task DisposeAsync_CompletionsComeDuringIt_FreesAll()
    {
        BulkInQueue queue = Open();
        Device.Cancels.Next(Late, times: 3);
        Device.StallOnce();
        await CancelledAsync(3);
        await ClockUntilAsync(() => queue.State == BulkInState.Faulted);

        Task disposed = queue.DisposeAsync().AsTask();
        Assert.False(disposed.IsCompleted, "Three transfers are out.");
        Device.Release();

        await disposed.InTime();
        Assert.Equal((0, true), (queue.Statistics.Leaked, Device.IsBackendDisposed));
    }

    [Fact]
    [FaultRow(75)]
    public async Task PauseAsync_CompletionMissing_ThrowsAndNothingCanBeResumed()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        Device.Cancels.Next(Lost);
        Device.AllowedLeaks = 1;

        Task paused = queue.PauseAsync();
        await CancelledAsync(3);
        await ClockUntilAsync(() => paused.IsCompleted);

        Assert.Equal(BulkInError.CompletionMissing, (await Assert.ThrowsAsync<BulkInException>(() => paused)).Error);
        Assert.Equal(BulkInState.Faulted, queue.State);
        await Assert.ThrowsAsync<InvalidOperationException>(() => queue.ResumeAsync().InTime());
        await DataAsync(queue, 1);
        await FaultAsync(queue, BulkInError.CompletionMissing);
        await ClockUntilAsync(queue.DisposeAsync().AsTask());
    }

    [Fact]
    [FaultRow(75)]
    public async Task StopAsync_CompletionMissing_StopsAndReportsItOnce()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        Device.Cancels.Next(Lost);
        Device.AllowedLeaks = 1;

        Task stopped = queue.StopAsync();
        await CancelledAsync(3);
        await ClockUntilAsync(stopped);

        Assert.Equal(BulkInState.Stopped, queue.State);
        await DataAsync(queue, 1);
        await FaultAsync(queue, BulkInError.CompletionMissing);
        Assert.Equal(BulkInStatus.Stopped, (await queue.RecvAsync(Destination).InTime()).Status);
        await ClockUntilAsync(queue.DisposeAsync().AsTask());
    }

    [Fact]
    [FaultRow(59)]
    public async Task DisposeAsync_TwiceAtOnceWithAPendingReceive_EndsEachOnce()
    {
        for (int round = 0; round < 100; round++)
        {
            using SimulatedEndpoint device = new(EndpointOptions with { LogCapacity = 100 });
            BulkInQueue queue = device.OpenQueue(Defaults);
            Task<BulkInResult> pending = queue.RecvAsync(Destination).AsTask();

            await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () => await queue.DisposeAsync()))).InTime();
            await queue.DisposeAsync().InTime();

            await Assert.ThrowsAsync<ObjectDisposedException>(() => pending.InTime());
            await Assert.ThrowsAsync<ObjectDisposedException>(() => queue.RecvAsync(Destination).InTime());
        }
    }

    [Fact]
    [FaultRow(85)]
    public async Task StopAsync_WhileAFaultIsProbed_DeliversTheFaultThenStopped()
    {
        BulkInQueue queue = Open();
        SimulationGate gate = new();
        Device.Probes.Next(new SimulatedProbe { Gate = gate });
        Device.Deliver([1]);
        Device.Error();
        await gate.WhenReachedAsync();

        await queue.StopAsync().InTime("a stop that does not wait for the probe");

        await DataAsync(queue, 1);
        BulkInException fault = await FaultAsync(queue);
        Assert.Equal(BulkInError.TransferError, fault.Error);
        Assert.DoesNotContain("RecoverAsync", fault.Message, StringComparison.Ordinal);
        Assert.Equal(BulkInStatus.Stopped, (await queue.RecvAsync(Destination).InTime()).Status);
        gate.Open();
    }

    [Fact]
    [FaultRow(85)]
    public async Task PauseAsync_WhileAFaultIsProbed_ComesAfterTheRecovery()
    {
        BulkInQueue queue = Open();
        SimulationGate gate = new();
        Device.Probes.Next(new SimulatedProbe { Gate = gate });
        Device.Error();
        await gate.WhenReachedAsync();

        Task paused = queue.PauseAsync();
        Assert.False(paused.IsCompleted, "The recovery goes first.");
        gate.Open();
        await paused.InTime();

        Assert.Equal((BulkInState.Paused, 1L), (queue.State, queue.Statistics.Recoveries));
        await FaultAsync(queue, BulkInError.TransferError);
        await queue.ResumeAsync().InTime();
        await WorksAsync(queue);
    }

    [Fact]
    [FaultRow(25)]
    public async Task DisposeAsync_TheHaltIsClearedBeyondTheBound_FreesNothingNative()
    {
        FakeLogger logger = new();
        BulkInQueue queue = Open(Defaults with { Logger = logger });
        SimulationGate gate = new();
        Device.ClearHalts.Next(new SimulatedClearHalt { Gate = gate });
        Device.Stall();
        await gate.WhenReachedAsync();
        Device.AllowedLeaks = 6;

        await ClockUntilAsync(queue.DisposeAsync().AsTask());

        Assert.False(Device.IsBackendDisposed, "The request still uses the handle.");
        Assert.Empty(Device.Log.OfKind(SimulatedEventKind.TransferDisposed));
        Assert.Contains(logger.Collector.GetSnapshot(), static r => r.Id.Id == 6);
        gate.Open();
        Device.VerifyNoMisuse();
    }

    [Fact]
    [FaultRow(50)]
    public async Task DisposeAsync_CompletionNeverComes_NoByteOfAnEarlierTransferIsCounted()
    {
        BulkInQueue queue = Open(Defaults with { Depth = 1 });
        Device.Deliver([1, 2, 3]);
        await DataAsync(queue, 1, 2, 3);
        Device.Cancels.Next(Lost);
        Device.AllowedLeaks = 1;

        await ClockUntilAsync(queue.DisposeAsync().AsTask());

        Assert.Equal((1, 0L), (queue.Statistics.Leaked, queue.Statistics.BytesDiscarded));
    }

    [Fact]
    [FaultRow(50)]
    public async Task DisposeAsync_NobodyKnowsTheQueueAnyMore_IsKeptOnlyWhileATransferIsOut()
    {
        WeakReference kept = await DisposeOfOneAsync(isLost: true);
        WeakReference gone = await DisposeOfOneAsync(isLost: false);

        // What held the second for a moment longer, a thread's last work, held the first no longer.
        using CancellationTokenSource bound = new(Bounded.Limit);
        while (gone.IsAlive)
        {
            Assert.False(bound.IsCancellationRequested, "A queue that left nothing behind is still reachable.");
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.True(kept.IsAlive, "The transport may still write into the buffers of a lost transfer, and nothing keeps them.");
    }

    [Fact]
    public async Task DisposeAsync_EverythingCameBack_LogsNoLeak()
    {
        FakeLogger logger = new();
        BulkInQueue queue = Open(Defaults with { Logger = logger });

        await queue.DisposeAsync().InTime();

        Assert.DoesNotContain(logger.Collector.GetSnapshot(), static r => r.Id.Id == 6);
    }

    /// <summary>Of all that a queue is made of, its logger is what nobody else knows.</summary>
    private async Task<WeakReference> DisposeOfOneAsync(bool isLost)
    {
        FakeLogger logger = new();
        using SimulatedEndpoint device = new(EndpointOptions);
        BulkInQueue queue = device.OpenQueue(Defaults with { Logger = logger });
        if (isLost)
        {
            device.Cancels.Next(Lost);
            device.AllowedLeaks = 1;
        }

        await ClockUntilAsync(queue.DisposeAsync().AsTask());
        return new WeakReference(logger);
    }
}
