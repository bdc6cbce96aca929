using BulkIn.Backends;
using Moq;
using Xunit;

namespace BulkIn;

/// <summary>The seam, mocked: what a user of Moq sees, and the order of calls that the seam's documentation promises.</summary>
public class SeamTests
{
    private readonly Mock<IBulkInBackend> _backend = new();
    private readonly List<Mock<IBulkInTransfer>> _transfers = [];
    private readonly List<ITransferCompletion> _completions = [];
    private readonly List<TransferBuffer> _posted = [];
    private readonly byte[] _destination = new byte[1024];

    public SeamTests()
    {
        _backend.Setup(b => b.Endpoint).Returns(new BulkInEndpoint(0x84, EndpointTransferType.Bulk, 512));
        _backend.Setup(b => b.CreateTransfer(It.IsAny<ITransferCompletion>())).Returns((ITransferCompletion completion) =>
        {
            int slot = _transfers.Count;
            Mock<IBulkInTransfer> transfer = new();
            transfer.Setup(t => t.Submit(It.IsAny<TransferBuffer>())).Callback((TransferBuffer b) =>
            {
                while (_posted.Count <= slot)
                {
                    _posted.Add(b);
                }

                _posted[slot] = b;
            });
            transfer.Setup(t => t.Cancel()).Callback(() => completion.Complete(TransferStatus.Cancelled, 0, 3));
            _transfers.Add(transfer);
            _completions.Add(completion);
            return transfer.Object;
        });
    }

    [Fact]
    public async Task RecvAsync_MockCompletes_DeliversItsBytes()
    {
        await using BulkInQueue queue = Open();
        Complete(0, 1, 2, 3);

        BulkInResult result = await queue.RecvAsync(_destination).InTime();

        Assert.Equal((BulkInStatus.Data, 3), (result.Status, result.Length));
        Assert.Equal([1, 2, 3], _destination[..3]);
        _transfers[0].Verify(t => t.Submit(It.IsAny<TransferBuffer>()), Times.Exactly(2));
    }

    [Fact]
    public async Task RecvAsync_MockLengthOutOfRange_IsClamped()
    {
        await using BulkInQueue queue = Open();
        _completions[0].Complete(TransferStatus.Completed, 99_999, 0);
        _completions[1].Complete(TransferStatus.Completed, -5, 0);

        Assert.Equal(1024, (await queue.RecvAsync(_destination).InTime()).Length);
        Assert.Equal(0, (await queue.RecvAsync(_destination).InTime()).Length);
    }

    [Fact]
    public async Task RecvAsync_MockStalls_ClearsTheHaltWithNothingPosted()
    {
        await using BulkInQueue queue = Open();
        bool posted = true;
        _backend.Setup(b => b.ClearHaltAsync()).Returns(() =>
        {
            posted = queue.Statistics.Posted > 0;
            return default;
        });

        _completions[0].Complete(TransferStatus.Stall, 0, 4);
        BulkInException fault = await Assert.ThrowsAsync<BulkInException>(() => queue.RecvAsync(_destination).InTime());

        Assert.Equal((BulkInError.Stall, 4), (fault.Error, fault.NativeCode));
        await queue.RecoverAsync().InTime();
        Assert.False(posted, "A halt may only be cleared with nothing posted.");
        _backend.Verify(b => b.ClearHaltAsync(), Times.Once);
    }

    [Fact]
    public async Task RecvAsync_UnknownStatus_KeepsItsNumber()
    {
        _backend.Setup(b => b.ProbeAsync(It.IsAny<TimeSpan>())).Returns(new ValueTask<DevicePresence>(DevicePresence.Present));
        await using BulkInQueue queue = Open();

        _completions[0].Complete((TransferStatus)7, 0, 77);

        BulkInException fault = await Assert.ThrowsAsync<BulkInException>(() => queue.RecvAsync(_destination).InTime());
        Assert.Equal((BulkInError.TransferError, 77), (fault.Error, fault.NativeCode));
        Assert.Contains("77", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RecvAsync_Fault_CarriesTheBackendsRemedy()
    {
        _backend.Setup(b => b.GetRemedy(BulkInError.Overflow, It.IsAny<BackendResult>())).Returns("Do this.");
        await using BulkInQueue queue = Open();

        _completions[0].Complete(TransferStatus.Overflow, 2, 6);

        BulkInResult untrusted = await queue.RecvAsync(_destination).InTime();
        Assert.True(untrusted.IsUntrusted, "Bytes that came with an overflow are flagged.");
        BulkInException fault = await Assert.ThrowsAsync<BulkInException>(() => queue.RecvAsync(_destination).InTime());
        Assert.EndsWith("Do this.", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RecvAsync_ErrorWithBytes_DeliversThemBeforeTheFault()
    {
        _backend.Setup(b => b.ProbeAsync(It.IsAny<TimeSpan>())).Returns(new ValueTask<DevicePresence>(DevicePresence.Present));
        await using BulkInQueue queue = Open();
        _posted[0].Memory.Span[0] = 9;

        _completions[0].Complete(TransferStatus.Error, 1, 1);

        BulkInResult bytes = await queue.RecvAsync(_destination).InTime();
        Assert.Equal((1, false, 9), (bytes.Length, bytes.EndOfMessage, _destination[0]));
        Assert.Equal(BulkInError.TransferError, (await Assert.ThrowsAsync<BulkInException>(() => queue.RecvAsync(_destination).InTime())).Error);
    }

    [Fact]
    public async Task DisposeAsync_Mock_FreesTransfersAfterEveryCompletionAndTheBackendLast()
    {
        List<string> order = [];
        _backend.Setup(b => b.Dispose()).Callback(() => Add("backend"));
        BulkInQueue queue = Open();
        for (int i = 0; i < _transfers.Count; i++)
        {
            int slot = i;
            ITransferCompletion completion = _completions[i];
            _transfers[i].Setup(t => t.Cancel()).Callback(() =>
            {
                Add($"cancel {slot}");
                completion.Complete(TransferStatus.Cancelled, 0, 3);
            });
            _transfers[i].Setup(t => t.Dispose()).Callback(() => Add("free"));
        }

        await queue.DisposeAsync().InTime();

        Assert.Equal(["cancel 2", "cancel 1", "cancel 0", "free", "free", "free", "backend"], order);
        void Add(string what)
        {
            lock (order)
            {
                order.Add(what);
            }
        }
    }

    [Fact]
    public async Task DisposeAsync_MacOs_CancelsOneForAll()
    {
        _backend.Setup(b => b.Capabilities).Returns(BulkInCapabilities.CancelAbortsEndpoint);
        BulkInQueue queue = Open();
        _transfers[2].Setup(t => t.Cancel()).Callback(() =>
        {
            foreach (ITransferCompletion completion in _completions)
            {
                completion.Complete(TransferStatus.Cancelled, 0, 3);
            }
        });

        await queue.DisposeAsync().InTime();

        _transfers[0].Verify(t => t.Cancel(), Times.Never);
        _transfers[1].Verify(t => t.Cancel(), Times.Never);
        _transfers[2].Verify(t => t.Cancel(), Times.Once);
    }

    private BulkInQueue Open() => BulkInQueue.Open(_backend.Object, new BulkInQueueOptions { Depth = 3, BufferLength = 1024 });

    private void Complete(int slot, params byte[] data)
    {
        data.CopyTo(_posted[slot].Memory);
        _completions[slot].Complete(TransferStatus.Completed, data.Length, 0);
    }
}
