using BulkIn.Backends;
using BulkIn.Testing;
using Xunit;

namespace BulkIn;

public sealed class RecoveryTests : FaultTest
{
    [Fact]
    [FaultRow(12)]
    public async Task Overflow_WithData_IsDeliveredUntrustedThenTheFault()
    {
        BulkInQueue queue = Open();
        Device.Overflow([1, 2]);

        BulkInResult result = await queue.RecvAsync(Destination).InTime();
        Assert.Equal((2, true, false), (result.Length, result.IsUntrusted, result.EndOfMessage));
        BulkInException fault = await FaultAsync(queue);
        Assert.Equal((BulkInError.Overflow, true, 1L), (fault.Error, fault.RecoversByItself, fault.Sequence));
        await WorksAsync(queue);

        // A device that overflows is there: nobody asks.
        Assert.Equal(0, Count(SimulatedEventKind.ProbeRequested));
    }

    [Theory]
    [FaultRow(12)]
    [FaultRow(71)]
    [InlineData(TransferStatus.Overflow)]
    [InlineData(TransferStatus.Error)]
    [InlineData(TransferStatus.Stall)]
    public async Task FailingTransfers_EachWithBytes_EndInFaultedAndNotInAStorm(TransferStatus status)
    {
        BulkInQueue queue = Open();
        Device.Fail(status, [1], count: 10_000);
        int promises = 0;
        bool gaveUp = false;

        await ClockUntilAsync(() => Drain() && queue.State == BulkInState.Faulted);
        await UntilAsync(() => Drain() && gaveUp, "the fault that stays");

        Assert.InRange(Device.Submissions, 4 + 5, 4 + (5 * 4));
        Assert.Equal((6L, 5), (queue.Statistics.Faults, promises));
        Quiet();
        Device.Calm();

        bool Drain()
        {
            try
            {
                while (queue.TryRecv(Destination, out _))
                {
                }
            }
            catch (BulkInException fault)
            {
                promises += fault.RecoversByItself ? 1 : 0;
                gaveUp |= !fault.RecoversByItself;
            }

            return true;
        }
    }

    [Theory]
    [FaultRow(20)]
    [InlineData(1, 0)]
    [InlineData(4, 2)]
    [InlineData(32, 0)]
    public async Task Stall_EverySlotPosted_OneFaultOneClearAllPostedAgain(int depth, int spares)
    {
        BulkInQueue queue = Open(Defaults with { Depth = depth, SpareBuffers = spares });
        Device.Stall();

        BulkInException fault = await FaultAsync(queue);

        Assert.Equal((BulkInError.Stall, true, 0L, 0L), (fault.Error, fault.RecoversByItself, fault.Sequence, fault.BytePosition));
        await RecoveredAsync(queue);
        Assert.Equal((1L, 1L, 1), (queue.Statistics.Faults, queue.Statistics.Recoveries, Count(SimulatedEventKind.ClearHaltRequested)));
        Assert.Equal((depth, depth, 2L * depth), (Device.Posted, Device.PostedMaximum, Device.Submissions));
        await NothingAsync(queue);
        await WorksAsync(queue);
    }

    [Fact]
    [FaultRow(20)]
    public async Task Stall_NobodyReceives_RecoversAtOnceAndDataQueuesBehindTheFault()
    {
        BulkInQueue queue = Open();
        Device.Stall();
        await RecoveredAsync(queue);

        Device.Deliver([1]);
        Device.Stall();
        await RecoveredAsync(queue, 2);
        Device.Deliver([2]);

        await FaultAsync(queue, BulkInError.Stall);
        await DataAsync(queue, 1);
        await FaultAsync(queue, BulkInError.Stall);
        await DataAsync(queue, 2);
    }

    [Theory]
    [FaultRow(21)]
    [FaultRow(26)]
    [InlineData(TransferStatus.Stall, BulkInError.Stall)]
    [InlineData(TransferStatus.Error, BulkInError.TransferError)]
    [InlineData(TransferStatus.Overflow, BulkInError.Overflow)]
    public async Task Fault_DataBeforeAndBehind_Automatic_KeepsEveryPosition(TransferStatus status, BulkInError error)
    {
        BulkInQueue queue = Open();
        Device.Hold();
        Device.Deliver([1]);
        Device.Deliver([2]);
        Device.Fail(status);
        Device.Deliver([3]);
        Device.StopHolding();

        await DataAsync(queue, 1);
        await DataAsync(queue, 2);
        BulkInException fault = await FaultAsync(queue);
        Assert.Equal((error, 2L, 2L), (fault.Error, fault.Sequence, fault.BytePosition));
        BulkInResult behind = await queue.RecvAsync(Destination).InTime();
        Assert.Equal((1, 2L, 3), (behind.Length, behind.Sequence, Destination[0]));
        await WorksAsync(queue);
    }

    [Theory]
    [FaultRow(21)]
    [InlineData(TransferStatus.Stall, BulkInError.Stall)]
    [InlineData(TransferStatus.Error, BulkInError.TransferError)]
    public async Task Fault_DataBeforeAndBehind_Manual_WaitsForRecoverAsync(TransferStatus status, BulkInError error)
    {
        BulkInQueue queue = Open(Manual);
        Device.Hold();
        Device.Deliver([1]);
        Device.Fail(status);
        Device.Deliver([3]);
        Device.StopHolding();

        await DataAsync(queue, 1);
        BulkInException first = await FaultAsync(queue);
        Assert.Equal((error, false), (first.Error, first.RecoversByItself));
        await FaultAsync(queue, error);
        Quiet();
        await queue.RecoverAsync().InTime();
        await DataAsync(queue, 3);
        await WorksAsync(queue);
        Assert.Equal(1, queue.Statistics.Faults);
    }

    [Theory]
    [FaultRow(23)]
    [InlineData(BackendStatus.Pipe)]
    [InlineData(BackendStatus.Timeout)]
    [InlineData(BackendStatus.Other)]
    [InlineData(BackendStatus.NoDevice)]
    public async Task RecoverAsync_ClearHaltFails_ThrowsAndStaysFaulted(BackendStatus status)
    {
        BulkInQueue queue = Open(Manual);
        Device.Stall();
        await StateAsync(queue, BulkInState.Faulted);
        Device.ClearHalts.Next(new SimulatedClearHalt { Answer = Of(status) });

        BulkInException refused = await Assert.ThrowsAsync<BulkInException>(() => queue.RecoverAsync().InTime());

        // "No device" from clearing a halt is no proof: the probe says that the device is there.
        Assert.Equal((BulkInError.Stall, Of(status).NativeCode), (refused.Error, refused.NativeCode));
        Assert.Equal((BulkInState.Faulted, 0), (queue.State, Device.Posted));
        await FaultAsync(queue, BulkInError.Stall);
        await queue.RecoverAsync().InTime();
        await WorksAsync(queue);
    }

    [Fact]
    [FaultRow(23)]
    public async Task Stall_ClearHaltFailsTwice_TheThirdAttemptRecovers()
    {
        BulkInQueue queue = Open();
        Device.ClearHalts.Next(new SimulatedClearHalt { Answer = Of(BackendStatus.Pipe) }, times: 2);
        Device.Stall();
        await FaultAsync(queue, BulkInError.Stall);

        await ClockUntilAsync(() => queue.Statistics.Recoveries == 1);

        Assert.Equal((3, 1L), (Count(SimulatedEventKind.ClearHaltRequested), queue.Statistics.Recoveries));
        await WorksAsync(queue);
    }

    [Fact]
    [FaultRow(24)]
    public async Task Stall_RightAfterEachRecovery_GivesUpAfterTheBackoff()
    {
        BulkInQueue queue = Open();
        Device.ClearHalts.Always(new SimulatedClearHalt { HaltsAgain = true });
        long start = Time.GetTimestamp();
        Device.Stall();

        await ClockUntilAsync(() => queue.State == BulkInState.Faulted);

        // At once, then after 100, 200, 400 and 800 ms.
        Assert.InRange(Time.GetElapsedTime(start), TimeSpan.FromMilliseconds(1500), TimeSpan.MaxValue);
        Assert.Equal(5, Count(SimulatedEventKind.ClearHaltRequested));
        Quiet();
        for (int i = 0; i < 5; i++)
        {
            Assert.True((await FaultAsync(queue)).RecoversByItself, "Each of the five generations promised to recover.");
        }

        BulkInException last = await FaultAsync(queue);
        Assert.Equal((BulkInError.Stall, false), (last.Error, last.RecoversByItself));
        Assert.Contains("gave up after 5 attempts", last.Message, StringComparison.Ordinal);
        await FaultAsync(queue, BulkInError.Stall);

        Device.ClearHalts.Reset();
        await queue.RecoverAsync().InTime();
        await WorksAsync(queue);
    }

    [Fact]
    [FaultRow(24)]
    public async Task Attempts_BytesBetweenTwoFaults_StartAfresh()
    {
        BulkInQueue queue = Open(Defaults with { RecoveryAttempts = 1 });
        for (byte i = 0; i < 10; i++)
        {
            Device.Stall();
            await FaultAsync(queue, BulkInError.Stall);
            await StateAsync(queue, BulkInState.Running);
            Device.Deliver([i]);
            await DataAsync(queue, i);
        }

        Device.ClearHalts.Always(new SimulatedClearHalt { HaltsAgain = true });
        Device.Stall();
        await ClockUntilAsync(() => queue.State == BulkInState.Faulted);
        Assert.Equal(11, Count(SimulatedEventKind.ClearHaltRequested));
    }

    [Fact]
    [FaultRow(27)]
    public async Task Error_OnEveryTransfer_StopsAfterTheAttemptsAndRecoversWhenCalm()
    {
        BulkInQueue queue = Open();
        Device.Storm();

        await ClockUntilAsync(() => queue.State == BulkInState.Faulted);

        Assert.InRange(Device.Submissions, 4 + 5, 4 + (5 * 4));
        Quiet();
        Device.Calm();
        await queue.RecoverAsync().InTime();
        for (int i = 0; i < 6; i++)
        {
            await FaultAsync(queue, BulkInError.TransferError);
        }

        await WorksAsync(queue);
    }

    [Theory]
    [FaultRow(29)]
    [InlineData(7, 7, null, 0)]
    [InlineData(7, -1234, null, 0)]
    [InlineData(2, 2, null, 0)]
    [InlineData(1, 1, -5, 0)]
    [InlineData(1, 1, int.MinValue, 0)]
    [InlineData(1, 1, 1025, 1024)]
    [InlineData(99, 99, int.MaxValue, 1024)]
    public async Task Fault_StrangeStatusOrLength_IsAnErrorWithItsNumber(int status, int native, int? length, int bytes)
    {
        BulkInQueue queue = Open();
        Device.Fail((TransferStatus)status, nativeStatus: native, reportedLength: length);

        if (bytes > 0)
        {
            Assert.Equal(bytes, (await queue.RecvAsync(Destination).InTime()).Length);
        }

        BulkInException fault = await FaultAsync(queue);
        Assert.Equal((BulkInError.TransferError, native), (fault.Error, fault.NativeCode));
        Assert.Contains(FormattableString.Invariant($"{native}"), fault.Message, StringComparison.Ordinal);
        await WorksAsync(queue);
    }

    [Fact]
    [FaultRow(38)]
    public async Task Cancelled_UnaskedFor_WaitsForRecoverAsync()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        Device.CancelUnasked(1);

        await DataAsync(queue, 1);
        BulkInException fault = await FaultAsync(queue);
        Assert.Equal((BulkInError.Interrupted, (int)TransferStatus.Cancelled, false), (fault.Error, fault.NativeCode, fault.RecoversByItself));
        await StateAsync(queue, BulkInState.Faulted);
        Quiet();
        await FaultAsync(queue, BulkInError.Interrupted);
        await queue.RecoverAsync().InTime();
        await WorksAsync(queue);
    }

    [Fact]
    [FaultRow(38)]
    public async Task Stall_ThenACancelFromOutsideInTheSameGeneration_IsInterrupted()
    {
        BulkInQueue queue = Open();
        Device.Hold();
        Device.StallOnce();
        Device.CancelUnasked(1);
        Device.StopHolding();

        await FaultAsync(queue, BulkInError.Interrupted);
        await StateAsync(queue, BulkInState.Faulted);
        await queue.RecoverAsync().InTime();
        await WorksAsync(queue);
    }

    [Fact]
    [FaultRow(83)]
    public async Task Error_ProbeNeverAnswered_CountsAsPresent()
    {
        BulkInQueue queue = Open();
        Device.Probes.Next(new SimulatedProbe { NeverAnswers = true });
        Device.Error();
        await Device.WaitUntilAsync(d => d.Log.OfKind(SimulatedEventKind.ProbeRequested).Count == 1);

        await ClockUntilAsync(() => queue.State == BulkInState.Running);

        await FaultAsync(queue, BulkInError.TransferError);
        await WorksAsync(queue);
    }

    [Fact]
    [FaultRow(83)]
    public async Task Error_ProbeProvesNothing_RecoveryIsTriedAllTheSame()
    {
        BulkInQueue queue = Open();
        Device.Probes.Always(new SimulatedProbe { Answer = DevicePresence.Unknown });
        Device.Error();
        await Device.WaitUntilAsync(d => d.Log.OfKind(SimulatedEventKind.ProbeRequested).Count == 1);

        await ClockUntilAsync(() => queue.State == BulkInState.Running);

        Assert.Equal(5, Count(SimulatedEventKind.ProbeRequested));
        await FaultAsync(queue, BulkInError.TransferError);
        await WorksAsync(queue);
    }

    [Fact]
    public async Task RecoverAsync_ManyAtOnce_RecoverOnce()
    {
        BulkInQueue queue = Open(Manual);
        Device.Stall();
        await StateAsync(queue, BulkInState.Faulted);

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => queue.RecoverAsync().InTime()));

        Assert.Equal((1, 1L), (Count(SimulatedEventKind.ClearHaltRequested), queue.Statistics.Recoveries));
        await FaultAsync(queue, BulkInError.Stall);
        await WorksAsync(queue);
    }

    [Fact]
    [FaultRow(82)]
    public async Task Discard_FaultThrownAndRecoveredFrom_DropsWhatLiesBehindIt()
    {
        BulkInQueue queue = Open(Manual);
        Device.Stall();
        await FaultAsync(queue, BulkInError.Stall);
        await queue.RecoverAsync().InTime();
        Device.Deliver([1, 2, 3]);

        Assert.Equal(3, queue.Discard());

        await WorksAsync(queue);
    }

    [Fact]
    [FaultRow(21)]
    public async Task FailuresOfOneGeneration_WithDataBetween_AreOneFaultThatSaysHowFarItReaches()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        Device.Hold();
        Device.Error();
        Device.Deliver([2]);
        Device.Error();
        Device.StopHolding();

        await DataAsync(queue, 1);
        BulkInException fault = await FaultAsync(queue);

        // Between 2 and what comes next something is missing, too.
        Assert.Equal((1L, 2L), (fault.Sequence, fault.IntactFrom));
        Assert.Contains("after 1 transfers and 1 bytes, and again within the next 1 transfers", fault.Message, StringComparison.Ordinal);
        await DataAsync(queue, 2);
        await WorksAsync(queue);
        Assert.Equal(1, queue.Statistics.Faults);
    }

    [Fact]
    [FaultRow(26)]
    public async Task OneFailure_WithDataBehindIt_IsIntactFromThere()
    {
        BulkInQueue queue = Open();
        Device.Hold();
        Device.Error();
        Device.Deliver([1]);
        Device.StopHolding();

        BulkInException fault = await FaultAsync(queue);

        Assert.Equal((0L, 0L), (fault.Sequence, fault.IntactFrom));
        Assert.DoesNotContain("again", fault.Message, StringComparison.Ordinal);
        await DataAsync(queue, 1);
    }

    [Fact]
    [FaultRow(20)]
    public async Task GivenUp_AfterTheFaultWasThrown_IsThrownAgain()
    {
        BulkInQueue queue = Open(Defaults with { RecoveryAttempts = 1 });
        SimulationGate clearing = new(Bounded.Limit);
        Device.ClearHalts.Next(new SimulatedClearHalt { Gate = clearing, Answer = Of(BackendStatus.Pipe) });
        Device.Stall();
        BulkInException first = await FaultAsync(queue);
        Assert.True(first.RecoversByItself);

        clearing.Open();
        await StateAsync(queue, BulkInState.Faulted);

        for (int i = 0; i < 2; i++)
        {
            BulkInException again = await FaultAsync(queue);
            Assert.Equal((BulkInError.Stall, first.Sequence, false), (again.Error, again.Sequence, again.RecoversByItself));
        }

        await queue.RecoverAsync().InTime();
        await WorksAsync(queue);
    }

    [Fact]
    [FaultRow(20)]
    public async Task RecoverAsync_ClearHaltFails_SaysWhereTheFaultIs()
    {
        BulkInQueue queue = Open(Manual);
        Device.Deliver([1, 2, 3]);
        await DataAsync(queue, 1, 2, 3);
        Device.Stall();
        await FaultAsync(queue, BulkInError.Stall);
        Device.ClearHalts.Next(new SimulatedClearHalt { Answer = Of(BackendStatus.Pipe) });

        BulkInException refused = await Assert.ThrowsAsync<BulkInException>(() => queue.RecoverAsync().InTime());

        Assert.Equal((1L, 3L, 1L), (refused.Sequence, refused.BytePosition, refused.IntactFrom));
        Assert.Contains(": recovery failed: the device halted the endpoint (Pipe ", refused.Message, StringComparison.Ordinal);

        // It was thrown before; the endpoint is as it was, and so is the answer.
        await FaultAsync(queue, BulkInError.Stall);
        await FaultAsync(queue, BulkInError.Stall);
    }

    [Fact]
    [FaultRow(21)]
    public async Task ErrorBeforeTwoInterruptions_IsInterrupted()
    {
        BulkInQueue queue = Open();
        Device.Hold();
        Device.Error();
        Device.CancelUnasked(2);
        Device.StopHolding();

        await FaultAsync(queue, BulkInError.Interrupted);

        await StateAsync(queue, BulkInState.Faulted);
    }

    [Fact]
    [FaultRow(21)]
    public async Task ErrorBeforeASubmitThatProvesTheUnplug_IsGoneWithoutAProbe()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        Device.Hold();
        Device.Error();
        Device.Submits.Next(Of(BackendStatus.NoDevice));

        await DataAsync(queue, 1);
        Device.StopHolding();

        await FaultAsync(queue, BulkInError.DeviceGone);
        Assert.Equal((BulkInState.Gone, 0), (queue.State, Count(SimulatedEventKind.ProbeRequested)));
    }

    [Fact]
    [FaultRow(23)]
    public async Task ResumeAsync_TheHaltWasClearedByTheRecovery_ClearsNone()
    {
        BulkInQueue queue = Open();
        Device.Stall();
        await FaultAsync(queue, BulkInError.Stall);
        await RecoveredAsync(queue);

        await queue.PauseAsync().InTime();
        await queue.ResumeAsync().InTime();

        Assert.Equal(1, Count(SimulatedEventKind.ClearHaltRequested));
    }

    [Fact]
    [FaultRow(21)]
    public async Task RecoverAsync_TheSubmitProvesTheUnplug_IsGone()
    {
        BulkInQueue queue = Open(Manual);
        Device.Deliver([1, 2, 3]);
        await DataAsync(queue, 1, 2, 3);
        Device.Stall();
        await FaultAsync(queue, BulkInError.Stall);
        Device.Submits.Next(Of(BackendStatus.NoDevice));

        BulkInException gone = await Assert.ThrowsAsync<BulkInException>(() => queue.RecoverAsync().InTime());

        Assert.Equal((BulkInError.DeviceGone, BulkInState.Gone), (gone.Error, queue.State));
        Assert.Equal((1L, 3L, Of(BackendStatus.NoDevice).NativeCode), (gone.Sequence, gone.BytePosition, gone.NativeCode));
        Assert.Equal(0, Count(SimulatedEventKind.ProbeRequested));
    }

    [Fact]
    [FaultRow(79)]
    public async Task ErrorThenDataThenASubmitThatProvesTheUnplug_EachAtItsPlace()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        Device.Hold();
        Device.Error();
        Device.Deliver([2, 3]);
        Device.Submits.Next(Of(BackendStatus.NoDevice));

        await DataAsync(queue, 1);
        Device.StopHolding();

        // Something is missing between 1 and 2, and the end comes behind both.
        BulkInException gap = await FaultAsync(queue);
        Assert.Equal((BulkInError.Interrupted, 1L, false), (gap.Error, gap.Sequence, gap.IsTerminal));
        await DataAsync(queue, 2, 3);
        BulkInException gone = await FaultAsync(queue);
        Assert.Equal((BulkInError.DeviceGone, Of(BackendStatus.NoDevice).NativeCode), (gone.Error, gone.NativeCode));
        Assert.Equal((2L, 3L, 2L), (gone.Sequence, gone.BytePosition, gone.IntactFrom));
    }
}
