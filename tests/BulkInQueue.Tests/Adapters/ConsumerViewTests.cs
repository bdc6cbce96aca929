using System.Buffers;
using System.IO.Pipelines;
using Xunit;

namespace BulkIn.Adapters;

/// <summary>One consumer at a time: whoever comes second is refused and told who was first.</summary>
public class ConsumerViewTests : QueueTest
{
    public static TheoryData<string, string> Pairs()
    {
        TheoryData<string, string> pairs = [];
        foreach (string first in (string[])["pipe", "stream", "pump", "enumeration", "message"])
        {
            foreach (string second in (string[])["pipe", "stream", "pump", "enumeration", "message", "RecvAsync", "Recv", "TryRecv", "LeaseAsync", "Discard"])
            {
                pairs.Add(first, second);
            }
        }

        return pairs;
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public async Task Consume_WhileAnotherHasTheQueue_IsRefusedNamingIt(string first, string second)
    {
        BulkInQueue queue = Open();
        (string name, Func<Task> end) = await BeginAsync(queue, first);

        InvalidOperationException refused = await Assert.ThrowsAsync<InvalidOperationException>(() => UseAsync(queue, second));

        Assert.Contains(name, refused.Message, StringComparison.Ordinal);
        Assert.Contains("first, or give each consumer a queue of its own", refused.Message, StringComparison.Ordinal);
        await end();
        Device.Deliver([1]);
        Assert.Equal([1], await ReceiveAsync(queue));
    }

    [Fact]
    public async Task Consume_WhileAReceiveIsInProgress_IsRefused()
    {
        BulkInQueue queue = Open();
        ValueTask<BulkInResult> receive = queue.RecvAsync(Destination);

        Assert.Contains("receive in progress", Assert.Throws<InvalidOperationException>(() => queue.AsPipeReader()).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => queue.AsStream());
        Assert.Throws<InvalidOperationException>(() => queue.StartPump());

        Device.Deliver([3]);
        Assert.Equal(1, (await receive.InTime()).Length);
    }

    [Fact]
    public async Task Consume_DisposedQueue_Throws()
    {
        BulkInQueue queue = Open();
        await queue.DisposeAsync().InTime();

        Assert.Throws<ObjectDisposedException>(() => queue.AsPipeReader());
        Assert.Throws<ObjectDisposedException>(() => queue.AsStream());
        Assert.Throws<ObjectDisposedException>(() => queue.StartPump());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => UseAsync(queue, "enumeration"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => UseAsync(queue, "message"));
    }

    [Fact]
    public async Task Consume_OneAfterTheOther_GoesOnWhereTheFirstEnded()
    {
        BulkInQueue queue = Open();
        for (byte i = 0; i < 5; i++)
        {
            Device.Deliver([i]);
        }

        Assert.Equal([0], await ReceiveAsync(queue));
        await foreach (BulkInLease packet in queue.ReadAllAsync())
        {
            Assert.Equal([1], packet.Span.ToArray());
            break;
        }

        PipeReader pipe = queue.AsPipeReader();
        ReadResult read = await pipe.ReadAsync().InTime();
        Assert.Equal([2], read.Buffer.ToArray());
        pipe.AdvanceTo(read.Buffer.End);
        await pipe.CompleteAsync();
        await using (Stream stream = queue.AsStream())
        {
            Assert.Equal(3, stream.ReadByte());
        }

        Assert.Equal([4], await ReceiveAsync(queue));
    }

    private async Task<(string Name, Func<Task> End)> BeginAsync(BulkInQueue queue, string consumer)
    {
        switch (consumer)
        {
            case "pipe":
                PipeReader pipe = queue.AsPipeReader();
                return ("AsPipeReader", () => pipe.CompleteAsync().AsTask());
            case "stream":
                Stream stream = queue.AsStream();
                return ("AsStream", () => stream.DisposeAsync().InTime());
            case "pump":
                BulkInPump pump = queue.StartPump();
                return ("StartPump", () => pump.DisposeAsync().InTime());
            case "enumeration":
                Device.Deliver([9]);
                IAsyncEnumerator<BulkInLease> packets = queue.ReadAllAsync().GetAsyncEnumerator();
                Assert.True(await packets.MoveNextAsync().InTime());
                return ("ReadAllAsync", () => packets.DisposeAsync().InTime());
            default:
                ValueTask<BulkInMessage> message = queue.ReadMessageAsync(new ArrayBufferWriter<byte>());
                return ("ReadMessageAsync", async () =>
                {
                    Device.Deliver([]);
                    Assert.True((await message.InTime()).IsComplete);
                });
        }
    }

    private async Task UseAsync(BulkInQueue queue, string consumer)
    {
        switch (consumer)
        {
            case "pipe":
                _ = queue.AsPipeReader();
                break;
            case "stream":
                _ = queue.AsStream();
                break;
            case "pump":
                _ = queue.StartPump();
                break;
            case "enumeration":
                await using (IAsyncEnumerator<BulkInLease> packets = queue.ReadAllAsync().GetAsyncEnumerator())
                {
                    await packets.MoveNextAsync().InTime();
                }

                break;
            case "message":
                await queue.ReadMessageAsync(new ArrayBufferWriter<byte>()).InTime();
                break;
            case "RecvAsync":
                await queue.RecvAsync(Destination).InTime();
                break;
            case "Recv":
                queue.Recv(Destination, TimeSpan.Zero);
                break;
            case "TryRecv":
                queue.TryRecv(Destination, out _);
                break;
            case "LeaseAsync":
                await queue.LeaseAsync().InTime();
                break;
            default:
                queue.Discard();
                break;
        }
    }
}
