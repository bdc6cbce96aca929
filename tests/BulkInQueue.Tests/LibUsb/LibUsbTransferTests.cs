using System.Runtime.CompilerServices;
using BulkIn.Backends;
using BulkIn.LibUsb;
using Xunit;

namespace BulkIn.Tests.LibUsb;

public sealed class LibUsbTransferTests : IDisposable
{
    private static readonly BulkInEndpoint Endpoint = new(0x84, EndpointTransferType.Bulk, 1024);

    private readonly FakeLibUsb _fake = new();
    private readonly Recorder _recorder = new();

    public void Dispose()
    {
        Assert.Empty(_fake.Accusations);
        _fake.Dispose();
    }

    [Fact]
    public void Submit_AndComplete_ReportsDataInTheBuffer()
    {
        using var handle = new ForeignHandle(_fake);
        using var transfer = new LibUsbTransfer(new ForeignHandleAccess(_fake, handle), Endpoint, _recorder);
        using var buffer = new PinnedBuffer(1024);
        NativeTransferView seen = default;
        _fake.OnSubmit = view =>
        {
            seen = view;
            return 0;
        };

        Assert.True(transfer.Submit(buffer).IsSuccess);
        Assert.Equal((0x84, 2, 0u, 1024), (seen.Endpoint, seen.Type, seen.Timeout, seen.Length));
        _fake.CompleteNow(_fake.Posted[0], (int)TransferStatus.Completed, [1, 2, 3]);

        Assert.Equal((TransferStatus.Completed, 3, 0), _recorder.WaitForReport());
        Assert.Equal([1, 2, 3], buffer.Memory[..3].ToArray());
        Assert.True(transfer.Submit(buffer).IsSuccess, "A completed transfer can be submitted again.");
        _fake.CompleteNow(_fake.Posted[0], (int)TransferStatus.Completed, []);
    }

    [Theory]
    [InlineData(4, 10, TransferStatus.Stall, 10)]
    [InlineData(5, 0, TransferStatus.NoDevice, 0)]
    [InlineData(7, -3, TransferStatus.Error, 0)]
    [InlineData(-1, 0, TransferStatus.Error, 0)]
    [InlineData(0, 5000, TransferStatus.Completed, 1024)]
    public void Complete_AnyStatusAndLength_IsMappedAndClamped(int status, int actualLength, TransferStatus expected, int length)
    {
        using var handle = new ForeignHandle(_fake);
        using var transfer = new LibUsbTransfer(new ForeignHandleAccess(_fake, handle), Endpoint, _recorder);
        Assert.True(transfer.Submit(new PinnedBuffer(1024)).IsSuccess);

        _fake.CompleteNow(_fake.Posted[0], status, [], actualLength);

        Assert.Equal((expected, length, status), _recorder.WaitForReport());
    }

    [Fact]
    public void Submit_Refused_KeepsTheCodeAndNothingIsPosted()
    {
        using var handle = new ForeignHandle(_fake);
        using var transfer = new LibUsbTransfer(new ForeignHandleAccess(_fake, handle), Endpoint, _recorder);
        _fake.OnSubmit = _ => LibUsbCode.NoMemory;

        BackendResult result = transfer.Submit(new PinnedBuffer(1024));

        Assert.Equal((BackendStatus.NoMemory, -11), (result.Status, result.NativeCode));
        Assert.Equal(BackendStatus.NotFound, transfer.Cancel().Status);
        Assert.Empty(_recorder.Reports);
    }

    [Fact]
    public void Submit_CompletesBeforeItReturns_IsStillASuccess()
    {
        using var handle = new ForeignHandle(_fake);
        using var transfer = new LibUsbTransfer(new ForeignHandleAccess(_fake, handle), Endpoint, _recorder);
        _fake.CompleteDuringSubmit = true;

        Assert.True(transfer.Submit(new PinnedBuffer(1024)).IsSuccess);
        Assert.Equal(TransferStatus.Completed, _recorder.WaitForReport().Status);
        Assert.True(transfer.Submit(new PinnedBuffer(1024)).IsSuccess, "The transfer is idle again.");
    }

    [Fact]
    public void SubmitCancelDispose_OwnerClosedTheHandle_MakeNoNativeCall()
    {
        var handle = new ForeignHandle(_fake);
        using var idle = new LibUsbTransfer(new ForeignHandleAccess(_fake, handle), Endpoint, _recorder);
        var posted = new LibUsbTransfer(new ForeignHandleAccess(_fake, handle), Endpoint, _recorder);
        Assert.True(posted.Submit(new PinnedBuffer(1024)).IsSuccess);
        handle.Dispose();
        int calls = _fake.Calls.Count;

        Assert.Equal(BackendStatus.HandleClosed, idle.Submit(new PinnedBuffer(1024)).Status);
        Assert.Equal(BackendStatus.HandleClosed, posted.Cancel().Status);
        idle.Dispose();

        Assert.Equal(calls, _fake.Calls.Count);
    }

    [Fact]
    public void Cancel_HandleClosedNatively_IsNotPassedOn()
    {
        using var handle = new ForeignHandle(_fake);
        var transfer = new LibUsbTransfer(new ForeignHandleAccess(_fake, handle), Endpoint, _recorder);
        Assert.True(transfer.Submit(new PinnedBuffer(1024)).IsSuccess);

        // libusb_close behind the safe handle's back.
        _fake.Orphan(handle.Native);

        Assert.Equal(BackendStatus.HandleClosed, transfer.Cancel().Status);
        Assert.DoesNotContain("cancel", _fake.Calls);
    }

    [Fact]
    public void Submit_ForeignHandle_HoldsAReferenceOnlyDuringTheCall()
    {
        var handle = new ForeignHandle(_fake);
        var transfer = new LibUsbTransfer(new ForeignHandleAccess(_fake, handle), Endpoint, _recorder);
        bool openDuringSubmit = false;
        _fake.OnSubmit = _ =>
        {
            handle.Dispose();
            openDuringSubmit = _fake.OpenHandles == 1;
            return LibUsbCode.Io;
        };

        _ = transfer.Submit(new PinnedBuffer(1024));

        Assert.True(openDuringSubmit, "The handle was closed under a native call.");
        Assert.Equal(0, _fake.OpenHandles);
    }

    [Fact]
    [FaultRow(91)]
    public void Posted_EverythingElseDropped_IsNotCollectedUntilItCompletes()
    {
        using var handle = new ForeignHandle(_fake);
        (WeakReference transfer, WeakReference buffer) = SubmitAndDrop(handle);
        Collect();

        Assert.True(transfer.IsAlive, "A posted transfer was collected.");
        Assert.True(buffer.IsAlive, "A posted buffer was collected under the kernel's hands.");

        CompleteAndDispose(transfer);
        Collect();
        Assert.False(buffer.IsAlive, "A completed transfer still holds its buffer.");
        Assert.False(transfer.IsAlive, "A disposed transfer is still rooted: its GCHandle leaked.");
        Assert.Equal(0, _fake.Live);
    }

    [Fact]
    public void Construction_NoNativeMemory_Throws()
    {
        using var handle = new ForeignHandle(_fake);
        _fake.Fail = call => call == "alloc_transfer" ? LibUsbCode.NoMemory : 0;

        Assert.ThrowsAny<OutOfMemoryException>(() => new LibUsbTransfer(new ForeignHandleAccess(_fake, handle), Endpoint, _recorder));
    }

    private static void Collect()
    {
        for (int i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }

    // Separate methods, so that no local of the test's own frame keeps the objects alive.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private (WeakReference Transfer, WeakReference Buffer) SubmitAndDrop(ForeignHandle handle)
    {
        var transfer = new LibUsbTransfer(new ForeignHandleAccess(_fake, handle), Endpoint, _recorder);
        var buffer = new PinnedBuffer(1024);
        Assert.True(transfer.Submit(buffer).IsSuccess);
        return (new WeakReference(transfer), new WeakReference(buffer));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void CompleteAndDispose(WeakReference transfer)
    {
        _fake.CompleteNow(_fake.Posted[0], (int)TransferStatus.Completed, [9]);
        ((LibUsbTransfer)transfer.Target!).Dispose();
    }
}
