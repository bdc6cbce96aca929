using System.Buffers;
using Xunit;

namespace BulkIn.Adapters;

public class MessageTests : QueueTest
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly ArrayBufferWriter<byte> _writer = new();

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(511, 1)]
    [InlineData(512, 1)]
    [InlineData(513, 1)]
    [InlineData(1023, 1)]
    [InlineData(1024, 2)]
    [InlineData(1025, 2)]
    [InlineData(3 * 1024, 4)]
    [InlineData(20_000, 20)]
    public async Task ReadMessageAsync_MarkedEnd_AnswersTheWholeMessage(int length, int transfers)
    {
        BulkInQueue queue = Open();
        byte[] bytes = Bytes(length);
        Device.Deliver(bytes, zeroLengthPacket: true);
        Device.Deliver([9]);

        BulkInMessage message = await queue.ReadMessageAsync(_writer).InTime();

        Assert.Equal((true, length, transfers), (message.IsComplete, message.Length, message.Transfers));
        Assert.Equal(transfers - 1, message.Sequence);
        Assert.Equal(bytes, _writer.WrittenSpan.ToArray());
        Assert.Equal([9], await ReceiveAsync(queue));
    }

    [Fact]
    public async Task ReadMessageAsync_ArrivingPieceByPiece_WaitsForTheEnd()
    {
        BulkInQueue queue = Open();
        ValueTask<BulkInMessage> read = queue.ReadMessageAsync(_writer);
        Device.Deliver(Bytes(1024));
        Device.Deliver(Bytes(1024));
        Assert.False(read.IsCompleted, "No short packet came.");

        Device.Deliver([7]);

        Assert.Equal(2049, (await read.InTime()).Length);
        Assert.Equal(7, _writer.WrittenSpan[^1]);
    }

    [Fact]
    public async Task ReadMessageAsync_ExactMultipleWithoutMark_RunsOnIntoTheNext()
    {
        BulkInQueue queue = Open();
        Device.Deliver(Bytes(1024));
        Device.Deliver([1, 2]);

        Assert.Equal(1026, (await queue.ReadMessageAsync(_writer).InTime()).Length);
    }

    [Theory]
    [InlineData(2500, 2500, true)]
    [InlineData(2500, 2499, false)]
    [InlineData(2048, 2048, true)]
    [InlineData(2048, 2047, false)]
    [InlineData(0, 0, true)]
    [InlineData(1, 0, false)]
    public async Task ReadMessageAsync_Limit_IsTheLongestMessage(int length, int limit, bool fits)
    {
        BulkInQueue queue = Open();
        byte[] bytes = Bytes(length);
        Device.Deliver(bytes, zeroLengthPacket: true);

        if (fits)
        {
            Assert.Equal(length, (await queue.ReadMessageAsync(_writer, limit, Second).InTime()).Length);
        }
        else
        {
            BulkInException tooLong = await Assert.ThrowsAsync<BulkInException>(() => queue.ReadMessageAsync(_writer, limit, Second).InTime());
            Assert.Equal(BulkInError.MessageTooLong, tooLong.Error);
            Assert.True(tooLong.RecoversByItself);
            Assert.InRange(_writer.WrittenCount, 0, limit);
            Assert.True((await queue.ReadMessageAsync(_writer).InTime()).IsComplete, "The rest is still in the queue.");
        }

        Assert.Equal(bytes, _writer.WrittenSpan.ToArray());
        Assert.Equal(0, queue.Statistics.BytesDiscarded);
    }

    [Fact]
    public async Task ReadMessageAsync_TimeoutInside_GoesOnWithTheSameWriter()
    {
        BulkInQueue queue = Open();
        ValueTask<BulkInMessage> first = queue.ReadMessageAsync(_writer, 10_000, Second);
        Device.Deliver(Bytes(1024));

        await Eventually.HoldsAsync(() => _writer.WrittenCount == 1024, "the first transfer was written");
        await AdvanceUntilAsync(() => first.IsCompleted);
        BulkInMessage timedOut = await first.InTime();
        Assert.Equal((BulkInStatus.TimedOut, 1024L, 1), (timedOut.Status, timedOut.Length, timedOut.Transfers));

        Device.Deliver([5]);
        BulkInMessage rest = await queue.ReadMessageAsync(_writer, 10_000, Second).InTime();

        Assert.Equal((true, 1L), (rest.IsComplete, rest.Length));
        Assert.Equal(1025, _writer.WrittenCount);
    }

    [Fact]
    public async Task ReadMessageAsync_ZeroTimeout_TakesWhatHasArrived()
    {
        BulkInQueue queue = Open();
        Assert.Equal(default, await queue.ReadMessageAsync(_writer, 10, TimeSpan.Zero).InTime());
        Device.Deliver([1, 2]);

        BulkInMessage message = await queue.ReadMessageAsync(_writer, 10, TimeSpan.Zero).InTime();

        Assert.Equal((true, 2L), (message.IsComplete, message.Length));
    }

    [Fact]
    public async Task ReadMessageAsync_TokenCancelledInside_KeepsWhatWasWritten()
    {
        BulkInQueue queue = Open();
        Device.Deliver(Bytes(1024));
        using CancellationTokenSource cancel = new();
        ValueTask<BulkInMessage> read = queue.ReadMessageAsync(_writer, 10_000, Timeout.InfiniteTimeSpan, cancel.Token);

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read.InTime());
        Assert.Equal(1024, _writer.WrittenCount);
        Device.Deliver([5]);
        Assert.Equal(1, (await queue.ReadMessageAsync(_writer).InTime()).Length);
    }

    [Fact]
    public async Task ReadMessageAsync_FaultInside_ThrowsAndTheNextStartsBehindIt()
    {
        BulkInQueue queue = Open();
        Device.Deliver(Bytes(1024));
        Device.Stall();

        BulkInException fault = await Assert.ThrowsAsync<BulkInException>(() => queue.ReadMessageAsync(_writer).InTime());

        Assert.Equal((BulkInError.Stall, 1024L), (fault.Error, fault.BytePosition));
        Assert.Equal(1024, _writer.WrittenCount);
        _writer.ResetWrittenCount();
        Device.Deliver([1, 2, 3]);
        Assert.Equal(3, (await queue.ReadMessageAsync(_writer).InTime()).Length);
        Assert.Equal([1, 2, 3], _writer.WrittenSpan.ToArray());
    }

    [Fact]
    public async Task ReadMessageAsync_StopInside_AnswersStoppedWithTheBeginning()
    {
        BulkInQueue queue = Open();
        Device.Deliver(Bytes(1024));
        ValueTask<BulkInMessage> read = queue.ReadMessageAsync(_writer);

        await queue.StopAsync().InTime();

        BulkInMessage message = await read.InTime();
        Assert.Equal((BulkInStatus.Stopped, 1024L), (message.Status, message.Length));
    }

    [Fact]
    public async Task ReadMessageAsync_Unplug_Throws()
    {
        BulkInQueue queue = Open();
        ValueTask<BulkInMessage> read = queue.ReadMessageAsync(_writer);

        Device.Unplug();

        Assert.Equal(BulkInError.DeviceGone, (await Assert.ThrowsAsync<BulkInException>(() => read.InTime())).Error);
    }

    [Fact]
    public async Task ReadMessageAsync_WriterThrows_LosesNothing()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1, 2, 3]);

        await Assert.ThrowsAsync<InvalidOperationException>(() => queue.ReadMessageAsync(new FailingWriter()).InTime());

        Assert.Equal([1, 2, 3], await ReceiveAsync(queue));
    }

    [Fact]
    public void ReadMessageAsync_BadArguments_Throws()
    {
        BulkInQueue queue = Open();

        Assert.Throws<ArgumentNullException>("writer", () => { _ = queue.ReadMessageAsync(null!); });
        Assert.Throws<ArgumentOutOfRangeException>("maximumLength", () => { _ = queue.ReadMessageAsync(_writer, -1, Second); });
        Assert.Throws<ArgumentOutOfRangeException>("timeout", () => { _ = queue.ReadMessageAsync(_writer, 1, -Second); });
        Assert.False(queue.TryRecv(Destination, out _), "A refused call leaves the queue free.");
    }

    private static byte[] Bytes(int length)
    {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++)
        {
            bytes[i] = (byte)(i * 7);
        }

        return bytes;
    }

    private sealed class FailingWriter : IBufferWriter<byte>
    {
        public void Advance(int count) => throw new InvalidOperationException("No room was given.");

        public Memory<byte> GetMemory(int sizeHint = 0) => throw new InvalidOperationException("No room.");

        public Span<byte> GetSpan(int sizeHint = 0) => throw new InvalidOperationException("No room.");
    }
}
