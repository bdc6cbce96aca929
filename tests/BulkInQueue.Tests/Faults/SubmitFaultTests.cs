using BulkIn.Backends;
using BulkIn.Testing;
using Xunit;

namespace BulkIn;

public sealed class SubmitFaultTests : FaultTest
{
    [Fact]
    [FaultRow(16)]
    public async Task Repost_NoMemory_IsRetriedWhileASlotIsPosted()
    {
        BulkInQueue queue = Open();
        bool starved = true;
        Device.Submits.Always(Of(BackendStatus.NoMemory), () => starved);
        for (byte i = 0; i < 3; i++)
        {
            Device.Deliver([i]);
            await DataAsync(queue, i);
            Assert.Equal(3 - i, Device.Posted);
        }

        Assert.Equal((BulkInState.Running, 0L), (queue.State, queue.Statistics.Faults));
        starved = false;
        Device.Deliver([9]);
        await DataAsync(queue, 9);
        Assert.Equal(4, Device.Posted);
        Assert.Equal(0, queue.Statistics.Faults);
    }

    [Fact]
    [FaultRow(16)]
    public async Task Repost_NoMemoryForTheLastSlot_FaultsAndComesBackByItself()
    {
        BulkInQueue queue = Open();
        bool starved = true;
        Device.Submits.Always(Of(BackendStatus.NoMemory), () => starved);
        for (byte i = 0; i < 4; i++)
        {
            Device.Deliver([i]);
            await DataAsync(queue, i);
        }

        BulkInException fault = await FaultAsync(queue);
        Assert.Equal((BulkInError.OutOfMemory, true), (fault.Error, fault.RecoversByItself));
        starved = false;
        await ClockUntilAsync(() => queue.State == BulkInState.Running);
        Assert.Equal(0, Count(SimulatedEventKind.ClearHaltRequested));
        await WorksAsync(queue);
    }

    [Theory]
    [FaultRow(17)]
    [InlineData(BackendStatus.Io)]
    [InlineData(BackendStatus.Other)]
    [InlineData(BackendStatus.Pipe)]
    [InlineData(BackendStatus.Busy)]
    public async Task Repost_Refused_DataFirstThenWhatWasPostedThenTheFault(BackendStatus status)
    {
        BulkInQueue queue = Open();
        Device.Submits.Next(Of(status));
        Device.Deliver([1]);
        Device.Deliver([2]);

        await DataAsync(queue, 1);
        await DataAsync(queue, 2);
        BulkInException fault = await FaultAsync(queue);

        Assert.Equal((status == BackendStatus.Pipe ? BulkInError.Stall : BulkInError.SubmitFailed, 2L), (fault.Error, fault.Sequence));
        Assert.Equal(Of(status).NativeCode, fault.NativeCode);
        await WorksAsync(queue);
    }

    [Fact]
    [FaultRow(17)]
    public async Task Repost_RefusedAtDepthOne_NobodyWaitsOnTheIdleSlot()
    {
        BulkInQueue queue = Open(Manual with { Depth = 1, SpareBuffers = 0 });
        Device.Submits.Next(Of(BackendStatus.Io));
        Device.Deliver([1]);

        await DataAsync(queue, 1);
        await FaultAsync(queue, BulkInError.SubmitFailed);
        await FaultAsync(queue, BulkInError.SubmitFailed);
        await queue.RecoverAsync().InTime();
        await WorksAsync(queue);
    }

    [Theory]
    [FaultRow(79)]
    [InlineData(BackendStatus.NoDevice, BulkInError.DeviceGone)]
    [InlineData(BackendStatus.HandleClosed, BulkInError.HandleClosed)]
    public async Task Repost_RefusedForGood_EndsTheStreamBehindTheData(BackendStatus status, BulkInError error)
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        Device.Deliver([2]);
        Device.Submits.Next(Of(status));
        Device.AllowedLeaks = status == BackendStatus.HandleClosed ? 4 : 0;

        await DataAsync(queue, 1);
        await StateAsync(queue, BulkInState.Gone);
        await DataAsync(queue, 2);
        BulkInException fault = await FaultAsync(queue);

        Assert.Equal((error, true), (fault.Error, fault.IsTerminal));
        await FaultAsync(queue, error);
    }

    [Fact]
    [FaultRow(79)]
    public async Task PauseAsync_AfterARepostThatProvedTheUnplug_ThrowsGone()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        Device.Submits.Next(Of(BackendStatus.NoDevice));
        await DataAsync(queue, 1);

        BulkInException gone = await Assert.ThrowsAsync<BulkInException>(() => queue.PauseAsync().InTime());

        Assert.Equal(BulkInError.DeviceGone, gone.Error);
        await GoneAsync(queue);
    }

    [Fact]
    [FaultRow(81)]
    public async Task Recovery_EveryBufferLeased_PostsAsTheyComeBack()
    {
        BulkInQueue queue = Open(Defaults with { Depth = 2, SpareBuffers = 1 });
        List<BulkInLease> leases = [];
        for (byte i = 0; i < 2; i++)
        {
            Device.Deliver([i]);
            leases.Add(await queue.LeaseAsync().InTime());
        }

        Device.Deliver([2]);
        leases.Add(await queue.LeaseAsync().InTime());
        Assert.Equal(0, Device.Posted);
        Device.Stall();
        leases[0].Dispose();
        await FaultAsync(queue, BulkInError.Stall);
        await StateAsync(queue, BulkInState.Running);
        Assert.Equal(1, Device.Posted);

        ValueTask<BulkInResult> waiting = queue.RecvAsync(Destination);
        leases[2].Dispose();
        leases[1].Dispose();
        Assert.Equal(2, Device.Posted);
        Device.Deliver([7]);
        Assert.Equal(1, (await waiting.InTime()).Length);
    }

    [Fact]
    [FaultRow(82)]
    public async Task Discard_FaultAmongTheData_DropsOnlyWhatPrecedesIt()
    {
        BulkInQueue queue = Open(Manual);
        Device.Hold();
        Device.Deliver([1]);
        Device.StallOnce();
        Device.Deliver([2]);
        Device.StopHolding();
        await StateAsync(queue, BulkInState.Faulted);

        Assert.Equal(1, queue.Discard());
        Assert.Equal(0, queue.Discard());
        await FaultAsync(queue, BulkInError.Stall);
        await queue.RecoverAsync().InTime();
        await DataAsync(queue, 2);
    }

    [Fact]
    [FaultRow(82)]
    public async Task Discard_BehindAFaultThatWasThrown_DropsTheData()
    {
        BulkInQueue queue = Open(Manual);
        Device.Hold();
        Device.StallOnce();
        Device.Deliver([1]);
        Device.StopHolding();
        await FaultAsync(queue, BulkInError.Stall);
        await StateAsync(queue, BulkInState.Faulted);
        Assert.Equal(0, queue.Discard());

        // Recovered, the fault is over: what lay behind it is what is ready.
        await queue.RecoverAsync().InTime();

        Assert.Equal(1, queue.Discard());
        await WorksAsync(queue);
    }
}
