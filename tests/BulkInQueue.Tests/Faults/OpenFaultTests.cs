using BulkIn.Backends;
using BulkIn.Testing;
using Xunit;

namespace BulkIn;

public sealed class OpenFaultTests : FaultTest
{
    [Theory]
    [FaultRow(11)]
    [InlineData(-1, 512)]
    [InlineData(0, 512)]
    [InlineData(1, 512)]
    [InlineData(513, 1024)]
    [InlineData(int.MaxValue, 2147483648L)]
    public void Open_BufferLength_NamesTheNextValidOne(int length, long next)
    {
        ArgumentException refused = Assert.ThrowsAny<ArgumentException>(() => Open(Defaults with { BufferLength = length }));

        Assert.Contains($"next valid length is {next}.", refused.Message, StringComparison.Ordinal);
        Assert.Equal(0, Device.Created);
    }

    [Theory]
    [FaultRow(13)]
    [InlineData(0x01, EndpointTransferType.Bulk)]
    [InlineData(0x80, EndpointTransferType.Bulk)]
    [InlineData(0x90, EndpointTransferType.Bulk)]
    [InlineData(0x82, EndpointTransferType.Isochronous)]
    [InlineData(0x82, EndpointTransferType.Control)]
    public void Open_WrongEndpoint_NamesIt(byte address, EndpointTransferType type)
    {
        using SimulatedEndpoint device = new(EndpointOptions with { Address = address, TransferType = type });

        ArgumentException refused = Assert.Throws<ArgumentException>(() => device.OpenQueue(Defaults));

        Assert.Contains($"0x{address:X2}", refused.Message, StringComparison.Ordinal);
        Assert.Equal((0, true), (device.Created, device.IsBackendDisposed));
    }

    [Theory]
    [FaultRow(14)]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public void Open_NoMemoryForATransfer_FreesTheOthers(int slot)
    {
        using SimulatedEndpoint device = new(EndpointOptions with { FailsCreateAtSlot = slot });

        Assert.Throws<OutOfMemoryException>(() => device.OpenQueue(Defaults));

        Assert.Equal((0L, true), (device.Submissions, device.IsBackendDisposed));
    }

    [Theory]
    [FaultRow(15)]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Open_NoMemoryAtSlot_DrainsTheOthersAndSaysWhatToDo(int slot)
    {
        using SimulatedEndpoint device = new(EndpointOptions with { Remedy = (error, _) => error == BulkInError.OutOfMemory ? "The limit is 1 MiB." : null });
        device.Submits.Skip(slot).Next(Of(BackendStatus.NoMemory), times: 100);

        BulkInException refused = Assert.Throws<BulkInException>(() => device.OpenQueue(Defaults));

        Assert.Equal((BulkInError.OutOfMemory, -11), (refused.Error, refused.NativeCode));
        Assert.Contains("4 transfers of 1024 bytes", refused.Message, StringComparison.Ordinal);
        Assert.Contains("The limit is 1 MiB.", refused.Message, StringComparison.Ordinal);
        Assert.Equal((0, true), (device.InFlight, device.IsBackendDisposed));
        if (slot > 0)
        {
            using SimulatedEndpoint again = new(EndpointOptions);
            again.Submits.Skip(slot).Next(Of(BackendStatus.NoMemory), times: 100);
            await using BulkInQueue fewer = again.OpenQueue(Defaults with { Depth = slot });
            Assert.Equal(slot, again.Posted);
        }
    }

    [Theory]
    [FaultRow(18)]
    [FaultRow(19)]
    [InlineData(BackendStatus.Io)]
    [InlineData(BackendStatus.Busy)]
    [InlineData(BackendStatus.NotFound)]
    [InlineData(BackendStatus.Access)]
    public void Open_SubmitRefused_NothingStaysPostedAndTheRemedyIsNamed(BackendStatus status)
    {
        using SimulatedEndpoint device = new(EndpointOptions with { Remedy = (_, result) => $"Do this about {result.Status}." });
        device.Submits.Skip(1).Next(Of(status));

        BulkInException refused = Assert.Throws<BulkInException>(() => device.OpenQueue(Defaults));

        Assert.Equal((BulkInError.SubmitFailed, Of(status).NativeCode, (byte)0x81), (refused.Error, refused.NativeCode, refused.Endpoint));
        Assert.Contains($"Do this about {status}.", refused.Message, StringComparison.Ordinal);
        Assert.Equal((0, true), (device.InFlight, device.IsBackendDisposed));
    }

    [Theory]
    [FaultRow(33)]
    [InlineData(UnplugFlavor.Linux, BulkInError.DeviceGone)]
    [InlineData(UnplugFlavor.Windows, BulkInError.SubmitFailed)]
    [InlineData(UnplugFlavor.MacOSUsb3, BulkInError.SubmitFailed)]
    public void Open_UnpluggedBetweenTwoSubmits_ThrowsAndFreesAll(UnplugFlavor flavor, BulkInError error)
    {
        int calls = 0;
        Device.Hooks.Submitting = _ =>
        {
            if (++calls == 3)
            {
                Device.Unplug(flavor);
            }
        };

        Assert.Equal(error, Assert.Throws<BulkInException>(() => Open()).Error);

        Assert.True(Device.IsBackendDisposed, "What was posted is freed.");
    }

    [Theory]
    [FaultRow(62)]
    [InlineData(0)]
    [InlineData(2)]
    public async Task Open_BackendWithoutMemoryOfItsOwn_UsesPinnedMemory(int spares)
    {
        using SimulatedEndpoint device = new(EndpointOptions with { OffersBuffers = false });
        await using BulkInQueue queue = device.OpenQueue(Defaults with { SpareBuffers = spares });
        for (byte i = 0; i < 50; i++)
        {
            device.Deliver([i, i]);
            Assert.Equal([i, i], await ReceiveAsync(queue));
        }
    }
}
