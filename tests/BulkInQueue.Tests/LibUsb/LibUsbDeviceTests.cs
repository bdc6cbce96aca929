using BulkIn.Backends;
using BulkIn.LibUsb;
using Xunit;

namespace BulkIn.Tests.LibUsb;

public sealed class LibUsbDeviceTests : IDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly FakeLibUsb _fake = new();

    public void Dispose()
    {
        Assert.Empty(_fake.Accusations);
        Assert.Equal(0, _fake.DeviceLists);
        Assert.Equal(0, _fake.OpenConfigurations);
        _fake.Dispose();
    }

    [Fact]
    public void List_OneDevice_HasItsFactsAndClosesWhatItOpened()
    {
        LibUsbDeviceInfo info = Assert.Single(LibUsbDevice.List(_fake, LibUsbPlatform.Windows));

        Assert.Equal((0x17e9, 0x6006, "DL42", 250, "250-1.3", 9, LibUsbSpeed.Super), (info.VendorId, info.ProductId, info.SerialNumber, info.BusNumber, info.BusPath, info.Address, info.Speed));
        Assert.Equal([0x84, 0x02], Assert.Single(info.Interfaces).Endpoints.Select(endpoint => endpoint.Address));
        Assert.Equal((0, 0), (_fake.OpenHandles, _fake.Contexts));
    }

    [Fact]
    public void List_SerialNumberCannotBeRead_IsNullAndNoFailure()
    {
        _fake.Fail = call => call == "open" ? LibUsbCode.Access : 0;

        Assert.Null(Assert.Single(LibUsbDevice.List(_fake, LibUsbPlatform.Windows)).SerialNumber);
    }

    [Fact]
    public void List_Fails_ThrowsAndLeavesNothing()
    {
        _fake.Fail = call => call == "get_device_list" ? LibUsbCode.NoMemory : 0;

        Assert.Equal(BulkInError.OutOfMemory, Assert.Throws<BulkInException>(() => LibUsbDevice.List(_fake, LibUsbPlatform.Linux)).Error);
        Assert.Equal(0, _fake.Contexts);
    }

    [Theory]
    [InlineData(LibUsbCode.Access, BulkInError.AccessDenied, "uaccess")]
    [InlineData(LibUsbCode.NoDevice, BulkInError.DeviceGone, "")]
    [InlineData(LibUsbCode.NotSupported, BulkInError.NotSupported, "")]
    public void Open_Refused_SaysWhyAndLeavesNothing(int code, BulkInError error, string hint)
    {
        _fake.SerialNumber = null;
        _fake.Fail = call => call == "open" ? code : 0;

        BulkInException thrown = Assert.Throws<BulkInException>(() => Open());

        Assert.Equal((error, code), (thrown.Error, thrown.NativeCode));
        Assert.Contains(hint, thrown.Message, StringComparison.Ordinal);
        Assert.Equal(0, _fake.Contexts);
    }

    [Fact]
    public void Open_OtherSerialNumber_NamesTheOneThatIsThere()
    {
        BulkInException thrown = Assert.Throws<BulkInException>(() => LibUsbDevice.Open(_fake, LibUsbPlatform.Linux, _ => true, "DL43", "17e9:6006", null));

        Assert.Equal(BulkInError.NotFound, thrown.Error);
        Assert.Contains("'DL42'", thrown.Message, StringComparison.Ordinal);
        Assert.Equal((0, 0), (_fake.OpenHandles, _fake.Contexts));
    }

    [Fact]
    public void Dispose_ClaimedInterface_IsReleasedThenClosedThenTheLoopEnds()
    {
        LibUsbDevice device = Open();
        device.ClaimInterface(0);
        device.ClaimInterface(0);
        device.Dispose();
        device.Dispose();

        Assert.True(device.Loop.Completion.IsCompleted);
        Assert.Equal(["auto_detach on", "claim_interface", "release_interface", "close", "exit"], _fake.Calls.SkipWhile(call => call != "auto_detach on"));
        Assert.Throws<ObjectDisposedException>(() => device.ClaimInterface(0));
    }

    [Fact]
    public async Task DisposeAsync_BackendOpen_DefersTheCloseToTheBackend()
    {
        LibUsbDevice device = Open();
        device.ClaimInterface(0);
        LibUsbBackend backend = device.OpenBackend(0x84, new BulkInQueueOptions { Memory = BulkInMemory.Pinned });
        var recorder = new Recorder();
        IBulkInTransfer transfer = backend.CreateTransfer(recorder);
        Assert.True(transfer.Submit(new PinnedBuffer(16384)).IsSuccess);
        Assert.Equal(1, device.Loop.InFlight);

        await device.DisposeAsync().AsTask().WaitAsync(Bound);
        Assert.Equal(1, _fake.OpenHandles);
        Assert.True(transfer.Cancel().IsSuccess);
        Assert.Equal(TransferStatus.Cancelled, recorder.WaitForReport().Status);
        transfer.Dispose();
        backend.Dispose();
        backend.Dispose();

        await device.Loop.Completion.WaitAsync(Bound);
        Assert.Equal((0, 0, 0), (_fake.OpenHandles, _fake.Contexts, _fake.Live));
    }

    [Fact]
    public async Task DeviceMemory_BufferOutlivesQueueAndDevice_KeepsTheHandleUntilItIsUnmapped()
    {
        _fake.DeviceMemoryLimit = 1000;
        LibUsbDevice device = Open();
        device.ClaimInterface(0);
        LibUsbBackend backend = device.OpenBackend(0x84, new BulkInQueueOptions { Memory = BulkInMemory.Device });
        TransferBuffer leased = backend.AllocateBuffer(16384)!;
        backend.Dispose();
        await device.DisposeAsync();
        Assert.Equal((1, 1), (_fake.Mapped, _fake.OpenHandles));
        leased.Memory.Span[0] = 1;

        leased.Dispose();

        await device.Loop.Completion.WaitAsync(Bound);
        Assert.Equal(0, _fake.OpenHandles);
    }

    [Theory]
    [InlineData(LibUsbCode.Busy, BulkInError.Busy, "detachKernelDriver")]
    [InlineData(LibUsbCode.NotFound, BulkInError.NotFound, "there are: 0")]
    public void ClaimInterface_Refused_SaysWhy(int code, BulkInError error, string hint)
    {
        using LibUsbDevice device = Open();
        _fake.Fail = call => call == "claim_interface" ? code : 0;

        BulkInException thrown = Assert.Throws<BulkInException>(() => device.ClaimInterface(5, detachKernelDriver: false));

        Assert.Equal(error, thrown.Error);
        Assert.Contains(hint, thrown.Message, StringComparison.Ordinal);
        Assert.Contains("auto_detach off", _fake.Calls);
    }

    [Fact]
    public void SetAlternateSetting_ChangesWhatCanBeQueued()
    {
        _fake.Interfaces = [FakeLibUsb.Setting(0, 0), FakeLibUsb.Setting(0, 1, FakeLibUsb.Bulk(0x84, 512))];
        using LibUsbDevice device = Open();
        Assert.Throws<InvalidOperationException>(() => device.SetAlternateSetting(0, 1));
        device.ClaimInterface(0);
        Assert.Throws<ArgumentException>(() => device.OpenBackend(0x84, new BulkInQueueOptions()));

        device.SetAlternateSetting(0, 1);

        using LibUsbBackend backend = device.OpenBackend(0x84, new BulkInQueueOptions());
        Assert.Equal(512, backend.Endpoint.MaxPacketSize);
        Assert.Throws<InvalidOperationException>(() => device.OpenBackend(0x84, new BulkInQueueOptions()));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(256)]
    public void InterfaceNumber_OutOfRange_IsRefused(int number)
    {
        using LibUsbDevice device = Open();
        Assert.Throws<ArgumentOutOfRangeException>(() => device.ClaimInterface(number));
        Assert.Throws<ArgumentOutOfRangeException>(() => device.ReleaseInterface(number));
        Assert.Throws<ArgumentOutOfRangeException>(() => device.SetAlternateSetting(0, number));
    }

    [Fact]
    public async Task WriteAsync_Accepted_SendsTheBytesWithTheTimeout()
    {
        using LibUsbDevice device = Open();
        device.ClaimInterface(0);
        NativeTransferView seen = default;
        byte[] sent = [];
        _fake.OnSubmit = view =>
        {
            seen = view;
            sent = view.Bytes;
            return 0;
        };

        Task<int> write = device.WriteAsync(0x02, new byte[] { 1, 2, 3 }, TimeSpan.FromMilliseconds(1.2));
        Assert.Equal((0x02, 2, 2u), (seen.Endpoint, seen.Type, seen.Timeout));
        _fake.Complete(seen.Address, 0, [], actualLength: 3);

        Assert.Equal(3, await write.WaitAsync(Bound));
        Assert.Equal([1, 2, 3], sent);
        Assert.Equal((0, 0), (_fake.Live, device.Loop.InFlight));
    }

    [Fact]
    public async Task WriteAsync_Empty_SendsAZeroLengthPacket()
    {
        using LibUsbDevice device = Open();
        device.ClaimInterface(0);

        Task<int> write = device.WriteAsync(0x02, ReadOnlyMemory<byte>.Empty, Timeout.InfiniteTimeSpan);
        _fake.Complete(_fake.WaitForPosted(1)[0], 0);

        Assert.Equal(0, await write.WaitAsync(Bound));
    }

    [Theory]
    [InlineData(2, BulkInError.Timeout)]
    [InlineData(4, BulkInError.Stall)]
    [InlineData(1, BulkInError.TransferError)]
    [InlineData(3, BulkInError.Interrupted)]
    public async Task WriteAsync_Fails_SaysHowManyBytesWentOut(int status, BulkInError error)
    {
        using LibUsbDevice device = Open();
        device.ClaimInterface(0);

        Task<int> write = device.WriteAsync(0x02, new byte[4096], Second);
        _fake.Complete(_fake.WaitForPosted(1)[0], status, [], actualLength: 1024);

        BulkInException thrown = await Assert.ThrowsAsync<BulkInException>(() => write.WaitAsync(Bound));
        Assert.Equal((error, 1024L, status), (thrown.Error, thrown.BytePosition, thrown.NativeCode));
    }

    [Theory]
    [InlineData(-4, BulkInError.DeviceGone)]
    [InlineData(-1, BulkInError.Interrupted)]
    public async Task WriteAsync_EndsAsNoDevice_AsksTheDevice(int probe, BulkInError error)
    {
        using LibUsbDevice device = Open();
        device.ClaimInterface(0);

        Task<int> write = device.WriteAsync(0x02, new byte[4], Second);
        _fake.OnSubmit = _ => probe;
        _fake.Complete(_fake.WaitForPosted(1)[0], (int)TransferStatus.NoDevice);

        Assert.Equal(error, (await Assert.ThrowsAsync<BulkInException>(() => write.WaitAsync(Bound))).Error);
    }

    [Fact]
    public async Task WriteAsync_Cancelled_WaitsForTheCallbackAndSaysHowManyBytesWentOut()
    {
        using LibUsbDevice device = Open();
        device.ClaimInterface(0);
        using var cancel = new CancellationTokenSource();
        _fake.CompleteOnCancel = false;

        Task<int> write = device.WriteAsync(0x02, new byte[4096], Timeout.InfiniteTimeSpan, cancel.Token);
        nint transfer = _fake.WaitForPosted(1)[0];
        await cancel.CancelAsync();
        _fake.WaitForCall("cancel");
        Assert.False(write.IsCompleted, "The write gave its memory back before the transfer was over.");
        _fake.Complete(transfer, (int)TransferStatus.Cancelled, [], actualLength: 2048);

        LibUsbTransferCanceledException thrown = await Assert.ThrowsAsync<LibUsbTransferCanceledException>(() => write.WaitAsync(Bound));
        Assert.Equal((2048, cancel.Token), (thrown.BytesTransferred, thrown.CancellationToken));
        Assert.True(write.IsCanceled);
    }

    [Fact]
    public async Task WriteAsync_TokenCancelledBefore_SendsNothing()
    {
        using LibUsbDevice device = Open();
        device.ClaimInterface(0);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => device.WriteAsync(0x02, new byte[4], Second, new CancellationToken(canceled: true)));

        Assert.DoesNotContain("submit", _fake.Calls);
    }

    [Fact]
    public async Task WriteAsync_BadArguments_AreRefused()
    {
        using LibUsbDevice device = Open();
        device.ClaimInterface(0);

        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => device.WriteAsync(0x84, new byte[4], Second));
        await Assert.ThrowsAsync<ArgumentException>(() => device.WriteAsync(0x03, new byte[4], Second));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => device.WriteAsync(0x02, new byte[4], TimeSpan.Zero));
        await Assert.ThrowsAsync<ArgumentException>(() => device.ControlAsync(default, new byte[65536], Second));
        await device.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => device.WriteAsync(0x02, new byte[4], Second));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => device.ClearHaltAsync(0x02));
    }

    [Fact]
    public async Task DisposeAsync_WriteUnderWay_LeavesTheCloseToIt()
    {
        LibUsbDevice device = Open();
        device.ClaimInterface(0);
        Task<int> write = device.WriteAsync(0x02, new byte[4], Second);
        nint transfer = _fake.WaitForPosted(1)[0];

        await device.DisposeAsync().AsTask().WaitAsync(Bound);
        Assert.Equal(1, _fake.OpenHandles);
        _fake.Complete(transfer, 0, [], actualLength: 4);

        Assert.Equal(4, await write.WaitAsync(Bound));
        await device.Loop.Completion.WaitAsync(Bound);
        Assert.Equal(0, _fake.OpenHandles);
    }

    [Fact]
    public async Task Members_DisposedWithAQueueOpen_ThrowAndTheQueueGoesOn()
    {
        LibUsbDevice device = Open();
        device.ClaimInterface(0);
        var options = new BulkInQueueOptions { Depth = 2, Memory = BulkInMemory.Pinned };
        BulkInQueue queue = BulkInQueue.Open(device.OpenBackend(0x84, options), options);
        await device.DisposeAsync();

        Assert.Throws<ObjectDisposedException>(() => device.ClaimInterface(0));
        Assert.Throws<ObjectDisposedException>(() => device.ClaimInterface(1));
        Assert.Throws<ObjectDisposedException>(() => device.SetAlternateSetting(0, 0));
        Assert.Throws<ObjectDisposedException>(() => device.ReleaseInterface(0));
        Assert.Throws<ObjectDisposedException>(() => device.OpenBulkInQueue(0x84, options));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => device.WriteAsync(0x02, new byte[4], Second));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => device.ControlAsync(default, new byte[2], Second));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => device.ClearHaltAsync(0x02));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => device.ResetAsync());
        _fake.Complete(_fake.WaitForPosted(2)[0], 0, [7]);
        Assert.Equal(1, (await queue.RecvAsync(new byte[4], Bound)).Length);

        // The unplug is proved by a request of the queue's own, which needs the handle that the device gave up.
        _fake.OnSubmit = _ => LibUsbCode.NoDevice;
        foreach (nint transfer in _fake.WaitForPosted(2))
        {
            _fake.Complete(transfer, (int)TransferStatus.NoDevice);
        }

        Assert.Equal(BulkInError.DeviceGone, (await Assert.ThrowsAsync<BulkInException>(() => queue.RecvAsync(new byte[4], Bound).AsTask())).Error);
        await queue.DisposeAsync().AsTask().WaitAsync(Bound);
        await device.Loop.Completion.WaitAsync(Bound);
        Assert.Equal((0, 0, 0), (_fake.OpenHandles, _fake.Contexts, _fake.Live));
    }

    [Fact]
    public async Task ClearHaltAsync_FailsAfterItsWaitWasCancelled_IsNoUnobservedException()
    {
        List<Exception> unobserved = [];
        void Collect(object? sender, UnobservedTaskExceptionEventArgs e)
        {
            lock (unobserved)
            {
                unobserved.AddRange(e.Exception.InnerExceptions.Where(static x => x is BulkInException { NativeCode: LibUsbCode.Pipe, Endpoint: 0x02 }));
            }
        }

        using LibUsbDevice device = Open();
        TaskScheduler.UnobservedTaskException += Collect;
        try
        {
            // Nobody can tell when the abandoned call has ended, but of ten the first nine have by then.
            for (int i = 0; i < 10; i++)
            {
                await AbandonAsync();
            }

            GC.Collect();
            GC.WaitForPendingFinalizers();
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        finally
        {
            TaskScheduler.UnobservedTaskException -= Collect;
        }

        Assert.Empty(unobserved);

        async Task AbandonAsync()
        {
            int calls = _fake.Calls.Count(static call => call == "clear_halt");
            using var door = new ManualResetEventSlim();
            _fake.Fail = call =>
            {
                if (call != "clear_halt")
                {
                    return 0;
                }

                Assert.True(door.Wait(Bound), "The test did not open the door.");
                return LibUsbCode.Pipe;
            };
            using var cancel = new CancellationTokenSource();
            Task clear = device.ClearHaltAsync(0x02, cancel.Token);
            _fake.WaitForCall("clear_halt", calls + 1);
            await cancel.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => clear.WaitAsync(Bound));
            Task awaited = device.ClearHaltAsync(0x02);
            _fake.WaitForCall("clear_halt", calls + 2);
            door.Set();
            await Assert.ThrowsAsync<BulkInException>(() => awaited.WaitAsync(Bound));
        }
    }

    [Fact]
    public async Task ControlAsync_In_FillsTheData()
    {
        using LibUsbDevice device = Open();
        byte[] data = new byte[4];
        byte[] packet = [];
        _fake.OnSubmit = view =>
        {
            packet = view.Bytes;
            return 0;
        };

        Task<int> control = device.ControlAsync(new LibUsbSetup(0xC0, 0x12, 0x3456, 0x789A), data, Second);
        _fake.Complete(_fake.WaitForPosted(1)[0], 0, [7, 8]);

        Assert.Equal(2, await control.WaitAsync(Bound));
        Assert.Equal([0xC0, 0x12, 0x56, 0x34, 0x9A, 0x78, 4, 0], packet[..8]);
        Assert.Equal([7, 8, 0, 0], data);
    }

    [Fact]
    public async Task ControlAsync_OutAndRefused_SendsTheDataAndThrowsStall()
    {
        using LibUsbDevice device = Open();
        byte[] packet = [];
        _fake.OnSubmit = view =>
        {
            packet = view.Bytes;
            return 0;
        };

        Task<int> control = device.ControlAsync(new LibUsbSetup(0x40, 1, 2, 3), new byte[] { 5, 6 }, Second);
        _fake.Complete(_fake.WaitForPosted(1)[0], (int)TransferStatus.Stall);

        Assert.Equal(BulkInError.Stall, (await Assert.ThrowsAsync<BulkInException>(() => control.WaitAsync(Bound))).Error);
        Assert.Equal([0x40, 1, 2, 0, 3, 0, 2, 0, 5, 6], packet);
    }

    [Fact]
    public async Task ResetAsync_Reenumerated_IsGone()
    {
        using LibUsbDevice device = Open();
        await device.ResetAsync();
        _fake.Fail = call => call == "reset_device" ? LibUsbCode.NotFound : 0;

        Assert.Equal(BulkInError.DeviceGone, (await Assert.ThrowsAsync<BulkInException>(() => device.ResetAsync())).Error);
    }

    private LibUsbDevice Open() => LibUsbDevice.Open(_fake, LibUsbPlatform.Linux, _ => true, serialNumber: null, "17e9:6006", logger: null);
}
