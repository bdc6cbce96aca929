// Transfers that never complete stay behind on purpose.
#pragma warning disable CA2000
using BulkIn.Backends;
using Xunit;

namespace BulkIn.Testing;

public sealed class SimulatedEndpointFaultTests
{
    [Fact]
    public async Task Stall_UntilTheHaltIsCleared_RetiresPostedAndLaterSubmitsInOrder()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint, transfers: 3);
        host.SubmitAll();

        endpoint.Stall();
        Assert.Equal([0, 1, 2], host.Order);
        Assert.True(host.Submit(1).IsSuccess);
        Assert.All(host.Statuses, s => Assert.Equal(TransferStatus.Stall, s));
        Assert.Equal(4, host.Completions.Count);

        endpoint.Deliver([1, 2, 3]);
        Assert.True((await endpoint.Backend.ClearHaltAsync()).IsSuccess);
        Assert.False(endpoint.IsHalted);
        host.Submit(0);
        Assert.Equal((TransferStatus.Completed, 3), (host.Completions.Last().Status, host.Completions.Last().Length));
    }

    [Fact]
    public void StallOnce_OthersPosted_FailsTheOldestAlone()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint, transfers: 2);
        host.SubmitAll();

        endpoint.StallOnce();
        endpoint.Deliver([1]);

        Assert.Equal([TransferStatus.Stall, TransferStatus.Completed], host.Statuses);
    }

    [Fact]
    public void Stall_PlatformClearsTheHaltItself_GoesOn()
    {
        using SimulatedEndpoint endpoint = new(new SimulatedEndpointOptions { Capabilities = BulkInCapabilities.ClearsHaltItself });
        using SeamHost host = new(endpoint, transfers: 2);
        host.SubmitAll();

        endpoint.Stall();

        Assert.Equal([TransferStatus.Stall], host.Statuses);
        Assert.False(endpoint.IsHalted);
    }

    [Fact]
    public void Stall_WithBytesInTheOldest_KeepsThem()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint);
        host.SubmitAll();
        endpoint.Deliver(new byte[512]);

        endpoint.Stall();

        Assert.Equal((TransferStatus.Stall, 512), (host.Completions.Single().Status, host.Completions.Single().Length));
    }

    [Fact]
    public void Error_MoreThanArePosted_HitsThoseSubmittedLater()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint, transfers: 2);
        host.Submit(0);

        endpoint.Error(2);
        host.Submit(1);
        host.Submit(0);

        Assert.Equal([TransferStatus.Error, TransferStatus.Error], host.Statuses);
        Assert.Equal(1, endpoint.Posted);
    }

    [Fact]
    public void Storm_UntilCalm_FailsEverySubmit()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint);
        endpoint.Storm();
        for (int i = 0; i < 5; i++)
        {
            host.Submit(0);
        }

        endpoint.Calm();
        host.Submit(0);

        Assert.Equal(5, host.Completions.Count);
        Assert.Equal(1, endpoint.Posted);
    }

    [Fact]
    public void Fail_OddValues_ReportsThemAsTheyAre()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint, transfers: 2);
        host.SubmitAll();

        endpoint.Fail((TransferStatus)7, [9, 8], nativeStatus: 77, reportedLength: -5);
        endpoint.Overflow(new byte[5000]);

        Assert.Equal(((TransferStatus)7, -5, 77), host.Completions.Select(c => (c.Status, c.Length, c.Native)).First());
        Assert.Equal([9, 8], host.Bytes(0, 2));
        Assert.Equal((TransferStatus.Overflow, 1024), (host.Completions.Last().Status, host.Completions.Last().Length));
    }

    [Fact]
    public void CancelUnasked_SomePosted_CancelsTheOldest()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint, transfers: 3);
        host.SubmitAll();

        endpoint.CancelUnasked(2);

        Assert.Equal([0, 1], host.Order);
        Assert.All(host.Statuses, s => Assert.Equal(TransferStatus.Cancelled, s));
    }

    [Theory]
    [InlineData(UnplugFlavor.Linux, TransferStatus.NoDevice, true, BackendStatus.NoDevice)]
    [InlineData(UnplugFlavor.Windows, TransferStatus.Stall, false, BackendStatus.Io)]
    [InlineData(UnplugFlavor.MacOSUsb2, TransferStatus.Error, false, BackendStatus.Other)]
    [InlineData(UnplugFlavor.MacOSUsb3, TransferStatus.Cancelled, false, BackendStatus.Other)]
    public async Task Unplug_EachFlavor_LooksAsThePlatformDoes(UnplugFlavor flavor, TransferStatus status, bool newestFirst, BackendStatus submit)
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint, transfers: 3);
        host.SubmitAll();

        endpoint.Unplug(flavor);

        Assert.Equal(newestFirst ? [2, 1, 0] : [0, 1, 2], host.Order);
        Assert.All(host.Statuses, s => Assert.Equal(status, s));
        Assert.Equal(submit, host.Submit(0).Status);
        Assert.Equal(BackendStatus.NoDevice, (await endpoint.Backend.ClearHaltAsync()).Status);
        Assert.Equal(DevicePresence.Gone, await endpoint.Backend.ProbeAsync(TimeSpan.FromSeconds(1)));
        Assert.Throws<InvalidOperationException>(() => endpoint.Deliver([1]));
    }

    [Fact]
    public async Task Unplug_LinuxBusError_FailsForAMomentAndIsGoneThen()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint, transfers: 2);
        host.SubmitAll();

        endpoint.Unplug(UnplugFlavor.LinuxBusError, graceCalls: 3);

        Assert.Equal(DevicePresence.Unknown, await endpoint.Backend.ProbeAsync(TimeSpan.FromSeconds(1)));
        Assert.Equal(BackendStatus.Io, (await endpoint.Backend.ClearHaltAsync()).Status);
        Assert.True(host.Submit(0).IsSuccess);
        Assert.Equal(BackendStatus.NoDevice, host.Submit(0).Status);
        Assert.Equal([TransferStatus.Error, TransferStatus.Error, TransferStatus.Error], host.Statuses);
        Assert.Equal(DevicePresence.Gone, await endpoint.Backend.ProbeAsync(TimeSpan.FromSeconds(1)));
    }

    [Theory]
    [InlineData(Interruption.Reset, BackendStatus.Success)]
    [InlineData(Interruption.Release, BackendStatus.Success)]
    [InlineData(Interruption.Deauthorize, BackendStatus.Io)]
    [InlineData(Interruption.Sleep, BackendStatus.Io)]
    public async Task Interrupt_EachCause_EndsWhatIsPostedWhileTheDeviceStays(Interruption cause, BackendStatus submit)
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint, transfers: 2);
        host.SubmitAll();

        endpoint.Interrupt(cause);

        Assert.Equal([1, 0], host.Order);
        Assert.All(host.Statuses, s => Assert.Equal(TransferStatus.NoDevice, s));
        Assert.Equal(submit, host.Submit(0).Status);
        Assert.Equal(DevicePresence.Present, await endpoint.Backend.ProbeAsync(TimeSpan.FromSeconds(1)));
        endpoint.Restore();
        Assert.True(host.Submit(1).IsSuccess);
    }

    [Fact]
    public async Task CloseHandle_Posted_LosesCompletionsAndAnswersHandleClosed()
    {
        using SimulatedEndpoint endpoint = new() { AllowedLeaks = 1 };
        SeamHost host = new(endpoint);
        host.SubmitAll();

        endpoint.CloseHandle();

        Assert.True(endpoint.Backend.IsClosed);
        Assert.Empty(host.Completions);
        Assert.Equal(BackendStatus.HandleClosed, host.Transfers[0].Cancel().Status);
        Assert.Equal(DevicePresence.Unknown, await endpoint.Backend.ProbeAsync(TimeSpan.FromSeconds(1)));
        Assert.Equal(1, endpoint.LostCompletions);
    }

    [Fact]
    public void Submits_Script_IsUsedUpStepByStep()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint, transfers: 3);
        bool isFull = false;
        endpoint.Submits.Skip(1).Next(SimulatedResults.Of(BackendStatus.Io)).Next(SimulatedResults.Of(BackendStatus.Pipe), times: 2);
        endpoint.Submits.Always(SimulatedResults.Of(BackendStatus.NoMemory), () => isFull);

        Assert.Equal(BackendStatus.Success, host.Submit(0).Status);
        Assert.Equal(-1, host.Submit(1).NativeCode);
        Assert.Equal(BackendStatus.Pipe, host.Submit(1).Status);
        Assert.Equal(BackendStatus.Pipe, host.Submit(1).Status);
        Assert.Equal(BackendStatus.Success, host.Submit(1).Status);
        isFull = true;
        Assert.Equal(-11, host.Submit(2).NativeCode);
        isFull = false;
        Assert.Equal(BackendStatus.Success, host.Submit(2).Status);
        Assert.Equal(4, endpoint.Log.OfKind(SimulatedEventKind.SubmitRefused).Count);
    }

    [Fact]
    public void CreateTransfer_FailsAtSlot_ThrowsThereOnly()
    {
        using SimulatedEndpoint endpoint = new(new SimulatedEndpointOptions { FailsCreateAtSlot = 2 });

        Assert.Throws<OutOfMemoryException>(() => new SeamHost(endpoint, transfers: 3));

        Assert.Equal(2, endpoint.Created);
        Assert.Throws<SimulationMisuseException>(endpoint.VerifyNothingLeaked);
        Assert.Throws<SimulationMisuseException>(endpoint.Dispose);
    }

    [Fact]
    public void Cancel_Plain_EndsWithTheBytesItHas()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint, transfers: 2);
        host.SubmitAll();
        endpoint.Deliver(new byte[512]);

        Assert.True(host.Transfers[1].Cancel().IsSuccess);
        Assert.True(host.Transfers[0].Cancel().IsSuccess);
        Assert.Equal(BackendStatus.NotFound, host.Transfers[0].Cancel().Status);

        Assert.Equal([(1, TransferStatus.Cancelled, 0), (0, TransferStatus.Cancelled, 512)], host.Completions.Select(c => (c.Slot, c.Status, c.Length)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1024)]
    public void Cancel_WithData_BringsIt(int length)
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint);
        byte[] data = [.. Enumerable.Range(0, length).Select(i => (byte)i)];
        endpoint.Cancels.Next(new SimulatedCancel { Data = data });
        host.Submit(0);

        Assert.True(host.Transfers[0].Cancel().IsSuccess);

        Assert.Equal((TransferStatus.Cancelled, length), (host.Completions.Single().Status, host.Completions.Single().Length));
        Assert.Equal(data, host.Bytes(0, length));
    }

    [Fact]
    public void Cancel_CompletedFirst_AnswersNotFoundAndCompletes()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint);
        endpoint.Cancels.Next(new SimulatedCancel { Outcome = CancelOutcome.CompletedFirst, Data = new byte[] { 1, 2 } });
        host.Submit(0);

        Assert.Equal(BackendStatus.NotFound, host.Transfers[0].Cancel().Status);

        Assert.Equal((TransferStatus.Completed, 2), (host.Completions.Single().Status, host.Completions.Single().Length));
    }

    [Fact]
    public void Cancel_OddAnswer_StillCompletes()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint);
        endpoint.Cancels.Always(new SimulatedCancel { Answer = SimulatedResults.Of(BackendStatus.NoDevice) });
        host.Submit(0);

        Assert.Equal(BackendStatus.NoDevice, host.Transfers[0].Cancel().Status);
        Assert.Equal([TransferStatus.Cancelled], host.Statuses);
    }

    [Fact]
    public void Cancel_Late_CompletesWhenReleased()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint);
        endpoint.Cancels.Next(new SimulatedCancel { Outcome = CancelOutcome.Late });
        host.Submit(0);

        Assert.True(host.Transfers[0].Cancel().IsSuccess);
        Assert.Empty(host.Completions);
        Assert.Equal(BackendStatus.NotFound, host.Transfers[0].Cancel().Status);
        endpoint.Release();
        Assert.Equal([TransferStatus.Cancelled], host.Statuses);
    }

    [Fact]
    public void Cancel_Lost_NeverCompletesAndMayStayBehind()
    {
        SimulatedEndpoint endpoint = new() { AllowedLeaks = 1 };
        SeamHost host = new(endpoint);
        endpoint.Cancels.Next(new SimulatedCancel { Outcome = CancelOutcome.Lost });
        host.Submit(0);

        Assert.True(host.Transfers[0].Cancel().IsSuccess);

        Assert.Empty(host.Completions);
        Assert.Equal((1, 1), (endpoint.InFlight, endpoint.LeakedTransfers));
        endpoint.ReleaseLost();
        Assert.Equal([TransferStatus.Cancelled], host.Statuses);
        endpoint.Dispose();
    }

    [Fact]
    public void Cancel_AbortsTheEndpoint_EndsAllWithOne()
    {
        using SimulatedEndpoint endpoint = new(new SimulatedEndpointOptions { Capabilities = BulkInCapabilities.CancelAbortsEndpoint });
        using SeamHost host = new(endpoint, transfers: 3);
        host.SubmitAll();

        Assert.True(host.Transfers[1].Cancel().IsSuccess);

        Assert.Equal([0, 1, 2], host.Order);
        Assert.All(host.Statuses, s => Assert.Equal(TransferStatus.Cancelled, s));
    }

    [Fact]
    public async Task Cancel_BlocksOnAGate_UntilItOpens()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint);
        SimulationGate gate = new();
        endpoint.Cancels.Next(new SimulatedCancel { Gate = gate });
        host.Submit(0);

        Task<BackendResult> cancel = Task.Run(() => host.Transfers[0].Cancel());
        await gate.WhenReachedAsync();
        Assert.Empty(host.Completions);
        endpoint.Deliver([1]);
        gate.Open();

        Assert.Equal(BackendStatus.NotFound, (await cancel).Status);
        Assert.Equal([TransferStatus.Completed], host.Statuses);
    }

    [Fact]
    public async Task ClearHalt_Scripted_FailsWaitsAndHaltsAgain()
    {
        VirtualClock clock = new();
        using SimulatedEndpoint endpoint = new(new SimulatedEndpointOptions { TimeProvider = clock });
        using SeamHost host = new(endpoint);
        SimulationGate gate = new();
        endpoint.ClearHalts
            .Next(new SimulatedClearHalt { Answer = SimulatedResults.Of(BackendStatus.Pipe) })
            .Next(new SimulatedClearHalt { Duration = TimeSpan.FromSeconds(5), HaltsAgain = true })
            .Next(new SimulatedClearHalt { Gate = gate });
        endpoint.Stall();

        Assert.Equal(BackendStatus.Pipe, (await endpoint.Backend.ClearHaltAsync()).Status);
        Assert.True(endpoint.IsHalted);

        Task<BackendResult> slow = endpoint.Backend.ClearHaltAsync().AsTask();
        clock.Advance(TimeSpan.FromSeconds(4.9));
        Assert.False(slow.IsCompleted);
        clock.Advance(TimeSpan.FromSeconds(0.1));
        Assert.True((await slow).IsSuccess);
        Assert.True(endpoint.IsHalted);

        Task<BackendResult> gated = endpoint.Backend.ClearHaltAsync().AsTask();
        await gate.WhenReachedAsync();
        Assert.False(gated.IsCompleted);
        gate.Open();
        Assert.True((await gated).IsSuccess);
        Assert.False(endpoint.IsHalted);
    }

    [Fact]
    public async Task Probe_Scripted_AnswersWaitsOrKeepsSilent()
    {
        VirtualClock clock = new();
        using SimulatedEndpoint endpoint = new(new SimulatedEndpointOptions { TimeProvider = clock });
        endpoint.Probes.Next(new SimulatedProbe { Answer = DevicePresence.Unknown }).Next(new SimulatedProbe { NeverAnswers = true });

        Assert.Equal(DevicePresence.Unknown, await endpoint.Backend.ProbeAsync(TimeSpan.FromSeconds(1)));
        Task<DevicePresence> silent = endpoint.Backend.ProbeAsync(TimeSpan.FromSeconds(1)).AsTask();
        Assert.False(silent.IsCompleted);
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(DevicePresence.Present, await silent);
        Assert.Equal(DevicePresence.Present, await endpoint.Backend.ProbeAsync(TimeSpan.FromSeconds(1)));
    }

    [Fact]
    public void Hooks_AroundACompletion_StandInItsWindow()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint, transfers: 2);
        List<string> seen = [];
        endpoint.Hooks.Submitting = c => seen.Add($"submitting {c.Slot}");
        endpoint.Hooks.Completing = c => seen.Add($"completing {c.Slot} while {endpoint.InFlight} in flight");
        endpoint.Hooks.Completed = c =>
        {
            seen.Add($"completed {c.Slot} with {c.Length} while {endpoint.InFlight} in flight");
            if (c.Slot == 0)
            {
                // A verb inside the window: its completion follows once this one is over.
                endpoint.Deliver([1, 2]);
            }
        };
        host.SubmitAll();

        endpoint.Deliver([1]);

        Assert.Equal(
            [
                "submitting 0", "submitting 1", "completing 0 while 2 in flight", "completed 0 with 1 while 1 in flight",
                "completing 1 while 1 in flight", "completed 1 with 2 while 0 in flight",
            ],
            seen);
    }

    [Fact]
    public void Hooks_Throwing_ReachesTheCallerAndLeavesTheRestReportable()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint, transfers: 2);
        host.SubmitAll();
        endpoint.Hold();
        endpoint.Deliver([1]);
        endpoint.Deliver([2]);
        endpoint.Hooks.Completed = _ => throw new InvalidDataException("from the test");

        Assert.Throws<InvalidDataException>(() => endpoint.Release());
        endpoint.Hooks.Completed = null;
        endpoint.StopHolding();

        Assert.Equal([0, 1], host.Order);
    }

    [Fact]
    public async Task Hooks_ThrowingOnTheDedicatedThread_FailsTheVerification()
    {
        SimulatedEndpoint endpoint = new(new SimulatedEndpointOptions { CompletionThread = CompletionThread.Dedicated });
        using (SeamHost host = new(endpoint))
        {
            endpoint.Hooks.Completed = _ => throw new InvalidDataException("from the test");
            host.SubmitAll();
            endpoint.Deliver([1]);
            await endpoint.WaitUntilAsync(e => e.Completions == 1);
        }

        AggregateException failure = Assert.Throws<AggregateException>(endpoint.Dispose);
        Assert.IsType<InvalidDataException>(failure.InnerException);
    }
}
