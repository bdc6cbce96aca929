using System.Runtime.CompilerServices;
using BulkIn.Backends;
using BulkIn.LibUsb;
using Xunit;

namespace BulkIn.Tests.LibUsb;

/// <summary>The queue on the libusb backend, end to end but for libusb itself.</summary>
public sealed class QueueOnLibUsbTests : IDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);
    private static readonly BulkInQueueOptions Options = new() { Depth = 4, BufferLength = 4096, DisposeTimeout = TimeSpan.FromSeconds(20) };

    private readonly FakeLibUsb _fake = new();

    public void Dispose()
    {
        Assert.Empty(_fake.Accusations);
        _fake.Dispose();
    }

    [Theory]
    [InlineData(BulkInMemory.Pinned)]
    [InlineData(BulkInMemory.Device)]
    public async Task RecvAsync_OwnDevice_DeliversInOrderAndDisposalFreesEverythingInOrder(BulkInMemory memory)
    {
        _fake.DeviceMemoryLimit = 100;
        LibUsbDevice device = Open();
        BulkInQueue queue = BulkInQueue.Open(device.OpenBackend(0x84, Options with { Memory = memory }), Options with { Memory = memory });
        Assert.Equal(memory == BulkInMemory.Device, queue.Capabilities.HasFlag(BulkInCapabilities.DeviceMemory));
        byte[] received = new byte[16];

        for (byte i = 0; i < 100; i++)
        {
            _fake.Complete(_fake.WaitForPosted(4)[0], 0, [i, 1, 2]);
            BulkInResult result = await queue.RecvAsync(received, Bound);
            Assert.Equal((BulkInStatus.Data, 3, i), (result.Status, result.Length, received[0]));
        }

        await device.DisposeAsync();
        Assert.Equal(1, _fake.OpenHandles);
        await queue.DisposeAsync().AsTask().WaitAsync(Bound);
        await device.Loop.Completion.WaitAsync(Bound);
        Assert.Equal((0, 0, 0, 0), (_fake.Live, _fake.Mapped, _fake.OpenHandles, _fake.Contexts));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Recv_SeveralTransfersEndInOneBurst_ReaderIsWokenAtItsEnd(bool blocking)
    {
        using LibUsbDevice device = Open();
        await using BulkInQueue queue = BulkInQueue.Open(device.OpenBackend(0x84, Options), Options);
        nint[] posted = _fake.WaitForPosted(4);
        byte[] received = new byte[16];
        Task<BulkInResult> receive = blocking
            ? Task.Factory.StartNew(() => queue.Recv(received, Bound), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)
            : queue.RecvAsync(received, Bound).AsTask();
        bool wokenWithin = false;
        _fake.Burst(() =>
        {
            for (byte i = 0; i < 3; i++)
            {
                _fake.CompleteNow(posted[i], 0, [i]);
                wokenWithin |= receive.IsCompleted;
            }
        });

        Assert.Equal((1, (byte)0), ((await receive.WaitAsync(Bound)).Length, received[0]));
        Assert.False(wokenWithin, "The reader was woken while the burst was still reported.");
        for (byte i = 1; i < 3; i++)
        {
            Assert.True(queue.TryRecv(received, out _), $"Transfer {i} of the burst was not ready.");
            Assert.Equal(i, received[0]);
        }
    }

    [Fact]
    public async Task RecvAsync_ContinuationBlocksItsThread_NextReceiveStillEnds()
    {
        using LibUsbDevice device = Open();
        await using BulkInQueue queue = BulkInQueue.Open(device.OpenBackend(0x84, Options), Options);
        _ = _fake.WaitForPosted(4);

        // Outside the test's own synchronisation context, which would take the method off that thread.
        BulkInResult inner = await Task.Run(ReceiveInsideAsync);

        Assert.Equal(2, inner.Length);

        async Task<BulkInResult> ReceiveInsideAsync()
        {
            ValueTask<BulkInResult> first = queue.RecvAsync(new byte[16], Bound);
            _fake.Complete(_fake.Posted[0], 0, [1]);
            _ = await first;

            // Here the thread that resumed this method is held up, as by a driver that blocks on purpose.
            Task<BulkInResult> second = queue.RecvAsync(new byte[16], Bound).AsTask();
            _fake.Complete(_fake.WaitForPosted(4)[0], 0, [2, 2]);
            Assert.True(second.Wait(Bound), "The second receive waited for the code that waits for it.");
            return await second;
        }
    }

    [Fact]
    public async Task RecvAsync_ReaderWaits_ContinuesOnAThreadOfTheDeviceOutsideThePool()
    {
        using LibUsbDevice device = Open();
        await using BulkInQueue queue = BulkInQueue.Open(device.OpenBackend(0x84, Options), Options);
        nint[] posted = _fake.WaitForPosted(4);
        var continued = new TaskCompletionSource<(bool, bool)>(TaskCreationOptions.RunContinuationsAsynchronously);

        // Outside the test's own synchronisation context, which would take the continuation off that thread.
        await Task.Run(() =>
        {
            ValueTaskAwaiter<BulkInResult> receive = queue.RecvAsync(new byte[16], Bound).GetAwaiter();
            Assert.False(receive.IsCompleted, "Nothing has arrived yet.");
            receive.UnsafeOnCompleted(() =>
            {
                _ = receive.GetResult();
                continued.SetResult((Thread.CurrentThread.IsThreadPoolThread, device.Loop.IsCurrentThread));
            });
        });
        _fake.Complete(posted[0], 0, [1]);

        Assert.Equal((false, false), await continued.Task.WaitAsync(Bound));
    }

    [Fact]
    public async Task DisposeAsync_CallbacksNeverCome_LeavesTransfersHandleAndLoopOnPurpose()
    {
        LibUsbDevice device = Open();
        BulkInQueueOptions options = Options with { DisposeTimeout = TimeSpan.FromMilliseconds(50), Memory = BulkInMemory.Pinned };
        BulkInQueue queue = BulkInQueue.Open(device.OpenBackend(0x84, options), options);
        _ = _fake.WaitForPosted(4);
        _fake.CompleteOnCancel = false;

        await queue.DisposeAsync().AsTask().WaitAsync(Bound);
        await device.DisposeAsync();

        Assert.Equal((4, 1, 1), (_fake.Live, _fake.OpenHandles, _fake.Contexts));
        Assert.False(device.Loop.Completion.IsCompleted, "The event loop ended with transfers in flight.");
        Assert.Equal(4, queue.Statistics.Leaked);
    }

    [Fact]
    public async Task RecvAsync_OwnerClosesAForeignHandle_ThrowsAndMakesNoFurtherNativeCall()
    {
        var handle = new ForeignHandle(_fake);
        BulkInQueueOptions options = Options with { DisposeTimeout = TimeSpan.FromMilliseconds(50) };
        BulkInQueue queue = BulkInQueue.Open(LibUsbBackend.ForForeignHandle(() => _fake, handle, 0x84, options, LibUsbPlatform.Linux), options);
        _ = _fake.WaitForPosted(4);

        Task<BulkInResult> receive = queue.RecvAsync(new byte[16], Timeout.InfiniteTimeSpan).AsTask();
        handle.Dispose();
        int calls = _fake.Calls.Count;

        BulkInException thrown = await Assert.ThrowsAsync<BulkInException>(() => receive.WaitAsync(Bound));
        Assert.Equal(BulkInError.HandleClosed, thrown.Error);
        await queue.DisposeAsync().AsTask().WaitAsync(Bound);
        Assert.Equal(calls, _fake.Calls.Count);
    }

    [Fact]
    public void OpenBulkInQueue_FirstSubmitOfNoMemory_ThrowsWithTheFiguresAndFreesEverything()
    {
        using LibUsbDevice device = Open();
        int submits = 0;
        _fake.OnSubmit = _ => submits++ < 2 ? 0 : LibUsbCode.NoMemory;

        BulkInException thrown = Assert.Throws<BulkInException>(() => device.OpenBulkInQueue(0x84, Options with { Memory = BulkInMemory.Pinned }));

        Assert.Equal(BulkInError.OutOfMemory, thrown.Error);
        Assert.Contains("fewer or smaller buffers", thrown.Message, StringComparison.Ordinal);
        _fake.OnSubmit = null;
        _fake.WaitForCall("free_transfer", 4);
    }

    private LibUsbDevice Open()
    {
        LibUsbDevice device = LibUsbDevice.Open(_fake, LibUsbPlatform.Linux, _ => true, serialNumber: null, "17e9:6006", logger: null);
        device.ClaimInterface(0);
        return device;
    }
}
