using Xunit;

namespace BulkIn.Adapters;

public class StreamTests : QueueTest
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Read_ShortBuffers_ReadsEveryByteAndSkipsZeroLengthPackets(bool synchronous)
    {
        BulkInQueue queue = Open();
        await using Stream stream = queue.AsStream();
        Device.Deliver([]);
        Device.Deliver([1, 2, 3]);
        Device.Deliver([]);
        Device.Deliver([4]);
        Task stop = queue.StopAsync();
        await stop.InTime();
        List<byte> seen = [];
        byte[] two = new byte[2];

        int count;
        do
        {
            count = synchronous ? stream.Read(two, 0, 2) : await stream.ReadAsync(two).InTime();
            seen.AddRange(two[..count]);
        }
        while (count > 0);

        Assert.Equal([1, 2, 3, 4], seen);
    }

    [Fact]
    public async Task CopyToAsync_UntilUnplug_CopiesEverything()
    {
        BulkInQueue queue = Open();
        await using Stream stream = queue.AsStream();
        using MemoryStream copy = new();
        Task copying = stream.CopyToAsync(copy);
        byte[] bytes = new byte[10_000];
        Random.Shared.NextBytes(bytes);
        Device.Deliver(bytes);

        await Device.WaitUntilAsync(d => d.WaitingBytes == 0);
        Device.Unplug();

        await copying.InTime();
        Assert.Equal(bytes, copy.ToArray());
        Assert.Equal(0, await stream.ReadAsync(new byte[1]).InTime());
    }

    [Fact]
    public async Task ReadAsync_Fault_ThrowsOnceAndGoesOn()
    {
        BulkInQueue queue = Open();
        await using Stream stream = queue.AsStream();
        Device.Error();

        await Assert.ThrowsAsync<BulkInException>(() => stream.ReadAsync(new byte[1]).InTime());

        Device.Deliver([8]);
        Assert.Equal(8, stream.ReadByte());
    }

    [Fact]
    public async Task ReadAsync_EmptyBuffer_AnswersZeroAndConsumesNothing()
    {
        BulkInQueue queue = Open();
        await using Stream stream = queue.AsStream();
        Device.Deliver([1]);

        Assert.Equal(0, await stream.ReadAsync(Memory<byte>.Empty).InTime());

        Assert.Equal(1, stream.ReadByte());
    }

    [Fact]
    public async Task ReadAsync_TokenCancelled_LosesNothing()
    {
        BulkInQueue queue = Open();
        await using Stream stream = queue.AsStream();
        using CancellationTokenSource cancel = new();
        ValueTask<int> read = stream.ReadAsync(new byte[1], cancel.Token);

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read.InTime());
        Device.Deliver([1]);
        Assert.Equal(1, stream.ReadByte());
    }

    [Fact]
    public async Task Dispose_WithATransferReadInPart_LeavesTheRestInTheQueue()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1, 2, 3]);
        await using (Stream stream = queue.AsStream())
        {
            Assert.Equal(1, stream.ReadByte());
        }

        Assert.Equal([2, 3], await ReceiveAsync(queue));
    }

    [Fact]
    public async Task Members_OfAReadOnlyStream_SaySo()
    {
        BulkInQueue queue = Open();
        Stream stream = queue.AsStream();

        Assert.True(stream.CanRead);
        Assert.False(stream.CanSeek || stream.CanWrite);
        Assert.Throws<NotSupportedException>(() => stream.Length);
        Assert.Throws<NotSupportedException>(() => stream.Position);
        Assert.Throws<NotSupportedException>(() => stream.Seek(0, SeekOrigin.Begin));
        Assert.Throws<NotSupportedException>(() => stream.SetLength(0));
        Assert.Throws<NotSupportedException>(() => stream.Write([1], 0, 1));
        stream.Flush();
        await stream.DisposeAsync();
        await stream.DisposeAsync();
        Assert.False(stream.CanRead);
        Assert.Throws<ObjectDisposedException>(() => stream.ReadByte());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => stream.ReadAsync(new byte[1]).InTime());
    }
}
