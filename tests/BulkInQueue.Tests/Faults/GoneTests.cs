using BulkIn.Backends;
using BulkIn.Testing;
using Xunit;

namespace BulkIn;

public sealed class GoneTests : FaultTest
{
    [Fact]
    [FaultRow(30)]
    public async Task Unplug_BusErrorsFirst_IsOneDeviceGone()
    {
        BulkInQueue queue = Open();
        ValueTask<BulkInResult> pending = queue.RecvAsync(Destination);
        Device.Unplug(UnplugFlavor.LinuxBusError);

        await ClockUntilAsync(() => queue.State == BulkInState.Gone);

        Assert.Equal(BulkInError.DeviceGone, (await Assert.ThrowsAsync<BulkInException>(() => pending.InTime())).Error);
        Assert.Equal((1L, 0L), (queue.Statistics.Faults, queue.Statistics.Recoveries));
        await GoneAsync(queue);
        Quiet();
    }

    [Fact]
    [FaultRow(30)]
    public async Task Unplug_ErrorsOutlastTheProbes_FaultThenGone()
    {
        BulkInQueue queue = Open();
        Device.Unplug(UnplugFlavor.LinuxBusError, graceCalls: 8);

        await ClockUntilAsync(() => queue.State == BulkInState.Gone);

        // While it looked recoverable the queue said so: that fault becomes the last one, and promises nothing any more.
        BulkInException gone = await FaultAsync(queue);
        Assert.Equal((BulkInError.DeviceGone, false), (gone.Error, gone.RecoversByItself));
        await GoneAsync(queue);
        Quiet();
    }

    [Theory]
    [FaultRow(31)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Unplug_FlushedInAnyOrder_IsDeviceGone(bool reversed)
    {
        BulkInQueue queue = Open();
        Device.Hold();
        Device.Unplug();
        if (reversed)
        {
            Device.ReleaseReversed();
        }

        Device.StopHolding();

        await GoneAsync(queue);
        Quiet();
    }

    [Theory]
    [FaultRow(32)]
    [InlineData(UnplugFlavor.Linux)]
    [InlineData(UnplugFlavor.LinuxBusError)]
    [InlineData(UnplugFlavor.MacOSUsb2)]
    [InlineData(UnplugFlavor.MacOSUsb3)]
    public async Task Unplug_DataInCompletedSlots_AllOfItThenDeviceGone(UnplugFlavor flavor)
    {
        BulkInQueue queue = Open();
        for (byte i = 0; i < 3; i++)
        {
            Device.Deliver([i]);
        }

        Device.Deliver(new byte[512]);
        Device.Unplug(flavor);
        await ClockUntilAsync(() => queue.State == BulkInState.Gone);

        for (byte i = 0; i < 3; i++)
        {
            await DataAsync(queue, i);
        }

        // The packet that had arrived in the open transfer.
        Assert.Equal(512, (await queue.RecvAsync(Destination).InTime()).Length);
        await GoneAsync(queue);
    }

    [Fact]
    [FaultRow(33)]
    public async Task Unplug_DuringRecovery_IsGone()
    {
        BulkInQueue queue = Open();
        Device.Hooks.ClearingHalt = () => Device.Unplug();
        Device.Stall();

        await GoneAsync(queue);
        Quiet();
    }

    [Fact]
    [FaultRow(33)]
    public async Task Unplug_DuringTheDrainOfARecovery_IsGone()
    {
        BulkInQueue queue = Open();
        Device.Hooks.Cancelling = _ => Device.Unplug();
        Device.StallOnce();

        await GoneAsync(queue);
    }

    [Fact]
    [FaultRow(33)]
    public async Task Unplug_DuringABackoff_IsGone()
    {
        BulkInQueue queue = Open();
        Device.ClearHalts.Next(new SimulatedClearHalt { Answer = Of(BackendStatus.Pipe) });
        Device.Stall();
        await Device.WaitUntilAsync(d => d.Log.OfKind(SimulatedEventKind.ProbeAnswered).Count > 0);
        Device.Unplug();

        await ClockUntilAsync(() => queue.State == BulkInState.Gone);

        await GoneAsync(queue);
    }

    [Fact]
    [FaultRow(33)]
    public async Task Unplug_DuringDispose_Ends()
    {
        BulkInQueue queue = Open();
        Device.Hooks.Cancelling = _ => Device.Unplug();

        await queue.DisposeAsync().InTime();

        Assert.True(Device.IsBackendDisposed, "Everything came back.");
    }

    [Theory]
    [FaultRow(35)]
    [InlineData(BulkInCapabilities.ClearsHaltItself | BulkInCapabilities.StallMayMeanGone)]
    [InlineData(BulkInCapabilities.RawIo | BulkInCapabilities.StallMayMeanGone)]
    public async Task Unplug_AsOnWindows_IsDeviceGoneAndNoStallLoop(BulkInCapabilities capabilities)
    {
        using SimulatedEndpoint device = new(EndpointOptions with { Capabilities = capabilities });
        await using BulkInQueue queue = device.OpenQueue(Defaults);
        device.Unplug(UnplugFlavor.Windows);

        await StateAsync(queue, BulkInState.Gone);

        await FaultAsync(queue, BulkInError.DeviceGone);
        await FaultAsync(queue, BulkInError.DeviceGone);
        Assert.Equal((4L, 0), (device.Submissions, device.Log.OfKind(SimulatedEventKind.ClearHaltRequested).Count));
    }

    [Fact]
    [FaultRow(35)]
    public async Task Stall_WhereTheDriverClearsTheHalt_IsNotClearedTwice()
    {
        using SimulatedEndpoint device = new(EndpointOptions with { Capabilities = BulkInCapabilities.ClearsHaltItself | BulkInCapabilities.StallMayMeanGone });
        await using BulkInQueue queue = device.OpenQueue(Defaults);
        device.Stall();

        await FaultAsync(queue, BulkInError.Stall);
        await StateAsync(queue, BulkInState.Running);

        device.Deliver([1]);
        await DataAsync(queue, 1);
        Assert.Empty(device.Log.OfKind(SimulatedEventKind.ClearHaltRequested));
    }

    [Theory]
    [FaultRow(36)]
    [InlineData(UnplugFlavor.MacOSUsb2)]
    [InlineData(UnplugFlavor.MacOSUsb3)]
    public async Task Unplug_AsOnMacOS_IsDeviceGoneByTheProbe(UnplugFlavor flavor)
    {
        using SimulatedEndpoint device = new(EndpointOptions with { Capabilities = BulkInCapabilities.CancelAbortsEndpoint });
        await using BulkInQueue queue = device.OpenQueue(Defaults);
        device.Unplug(flavor);

        await StateAsync(queue, BulkInState.Gone);

        await FaultAsync(queue, BulkInError.DeviceGone);
        Assert.Equal(4L, device.Submissions);
    }

    [Fact]
    [FaultRow(76)]
    public async Task Unplug_WhilePaused_IsGoneAtTheResume()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        await queue.PauseAsync().InTime();
        Device.Unplug();
        await DataAsync(queue, 1);
        ValueTask<BulkInResult> pending = queue.RecvAsync(Destination);

        Assert.Equal(BulkInError.DeviceGone, (await Assert.ThrowsAsync<BulkInException>(() => queue.ResumeAsync().InTime())).Error);

        Assert.Equal(BulkInError.DeviceGone, (await Assert.ThrowsAsync<BulkInException>(() => pending.InTime())).Error);
        await GoneAsync(queue);
    }

    [Theory]
    [FaultRow(76)]
    [InlineData(UnplugFlavor.Linux)]
    [InlineData(UnplugFlavor.Windows)]
    public async Task Unplug_WhileFaulted_IsGoneAtTheRecovery(UnplugFlavor flavor)
    {
        BulkInQueue queue = Open(Manual);
        Device.Stall();
        await StateAsync(queue, BulkInState.Faulted);
        Device.Unplug(flavor);
        await FaultAsync(queue, BulkInError.Stall);

        Assert.Equal(BulkInError.DeviceGone, (await Assert.ThrowsAsync<BulkInException>(() => queue.RecoverAsync().InTime())).Error);

        await GoneAsync(queue);
    }

    [Fact]
    [FaultRow(76)]
    public async Task Unplug_WhileStopped_ChangesNothing()
    {
        BulkInQueue queue = Open();
        await queue.StopAsync().InTime();
        Device.Unplug();

        Assert.Equal(BulkInStatus.Stopped, (await queue.RecvAsync(Destination).InTime()).Status);
        await queue.DisposeAsync().InTime();
    }

    [Fact]
    public async Task StopAsync_Gone_DeliversTheRestThenStopped()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        Device.Unplug();
        await StateAsync(queue, BulkInState.Gone);

        await queue.StopAsync().InTime();

        await DataAsync(queue, 1);
        await FaultAsync(queue, BulkInError.DeviceGone);
        Assert.Equal(BulkInStatus.Stopped, (await queue.RecvAsync(Destination).InTime()).Status);
    }
}
