using BulkIn.Testing;
using Xunit;

namespace BulkIn;

public sealed class InterruptedTests : FaultTest
{
    [Theory]
    [FaultRow(40)]
    [FaultRow(41)]
    [FaultRow(43)]
    [InlineData(Interruption.Reset)]
    [InlineData(Interruption.Release)]
    public async Task Interrupt_WhilePosted_NothingIsSubmittedUntilRecoverAsync(Interruption cause)
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        Device.Interrupt(cause);

        await StateAsync(queue, BulkInState.Faulted);
        Quiet();
        await DataAsync(queue, 1);
        BulkInException fault = await FaultAsync(queue);
        Assert.Equal((BulkInError.Interrupted, 5, false, false), (fault.Error, fault.NativeCode, fault.IsTerminal, fault.RecoversByItself));
        Assert.Contains("RecoverAsync", fault.Message, StringComparison.Ordinal);
        await FaultAsync(queue, BulkInError.Interrupted);
        Assert.Equal(4L, Device.Submissions);

        await queue.RecoverAsync().InTime();
        await WorksAsync(queue);
    }

    [Theory]
    [FaultRow(39)]
    [FaultRow(44)]
    [InlineData(Interruption.Deauthorize, 0)]
    [InlineData(Interruption.Sleep, 113)]
    public async Task Interrupt_DeviceUnusable_IsNotGoneAndComesBack(Interruption cause, int systemError)
    {
        BulkInQueue queue = Open();
        Device.Interrupt(cause);
        await FaultAsync(queue, BulkInError.Interrupted);
        await StateAsync(queue, BulkInState.Faulted);

        BulkInException refused = await Assert.ThrowsAsync<BulkInException>(() => queue.RecoverAsync().InTime());
        Assert.Equal((BulkInError.Interrupted, systemError), (refused.Error, refused.SystemError));
        Assert.Equal(BulkInState.Faulted, queue.State);
        Quiet();

        Device.Restore();
        await queue.RecoverAsync().InTime();
        await WorksAsync(queue);
    }

    [Fact]
    [FaultRow(39)]
    [FaultRow(44)]
    public async Task Interrupt_ThenDispose_Ends()
    {
        BulkInQueue queue = Open();
        Device.Interrupt(Interruption.Sleep);
        await StateAsync(queue, BulkInState.Faulted);

        await queue.DisposeAsync().InTime();
    }

    [Theory]
    [FaultRow(41)]
    [InlineData(Interruption.Reset)]
    [InlineData(Interruption.Release)]
    public async Task Interrupt_WhilePaused_ResumesWithoutAFault(Interruption cause)
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        await queue.PauseAsync().InTime();
        Device.Interrupt(cause);
        await queue.ResumeAsync().InTime();

        await DataAsync(queue, 1);
        await WorksAsync(queue);
        Assert.Equal((0L, 0), (queue.Statistics.Faults, Count(SimulatedEventKind.ClearHaltRequested)));
    }

    [Fact]
    [FaultRow(41)]
    public async Task PauseAsync_PendingReceive_SurvivesAResetAndGetsTheNextData()
    {
        BulkInQueue queue = Open();
        ValueTask<BulkInResult> pending = queue.RecvAsync(Destination, 60 * Second);
        for (int i = 0; i < 5; i++)
        {
            await queue.PauseAsync().InTime();
            Assert.Equal(0, Device.Posted);
            Device.Interrupt(Interruption.Reset);
            await queue.ResumeAsync().InTime();
        }

        Assert.False(pending.IsCompleted, "Nothing arrived.");
        Device.Deliver([1, 2]);
        Assert.Equal(2, (await pending.InTime()).Length);
    }

    [Fact]
    public async Task PauseAsync_Faulted_ResumeClearsTheHalt()
    {
        BulkInQueue queue = Open(Manual);
        Device.Stall();
        await StateAsync(queue, BulkInState.Faulted);

        await queue.PauseAsync().InTime();
        await FaultAsync(queue, BulkInError.Stall);
        await NothingAsync(queue);
        await queue.ResumeAsync().InTime();

        Assert.Equal(1, Count(SimulatedEventKind.ClearHaltRequested));
        await WorksAsync(queue);
    }

    [Fact]
    public async Task PauseAsync_FailureInTheDrain_IsDeliveredOnceAtItsPosition()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        Device.Hooks.Cancelling = call =>
        {
            if (call.Slot == 3)
            {
                Device.StallOnce();
            }
        };
        await queue.PauseAsync().InTime();
        await DataAsync(queue, 1);
        BulkInException fault = await FaultAsync(queue);
        Assert.Equal((BulkInError.Stall, false), (fault.Error, fault.RecoversByItself));
        Assert.Contains("ResumeAsync", fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("RecoverAsync", fault.Message, StringComparison.Ordinal);
        await NothingAsync(queue);
        Assert.Equal(BulkInState.Paused, queue.State);

        await queue.ResumeAsync().InTime();
        Assert.Equal(1, Count(SimulatedEventKind.ClearHaltRequested));
        await WorksAsync(queue);
    }

    [Fact]
    [FaultRow(92)]
    public async Task PauseAsync_ATransferFailsUnderItsCancel_IsACancelledOneWithItsBytes()
    {
        BulkInQueue queue = Open();

        // Linux reports no other status than "cancelled" of a transfer that it was asked to cancel.
        Device.Cancels.Next(new SimulatedCancel { Data = new byte[] { 1, 2, 3 } });

        await queue.PauseAsync().InTime();

        await DataAsync(queue, 1, 2, 3);
        await NothingAsync(queue);
        Assert.Equal(0, queue.Statistics.Faults);
        await queue.ResumeAsync().InTime();
        await WorksAsync(queue);
    }
}
