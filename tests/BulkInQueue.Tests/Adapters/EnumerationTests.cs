using Xunit;

namespace BulkIn.Adapters;

public class EnumerationTests : QueueTest
{
    [Fact]
    public async Task ReadAllAsync_Packets_ComeInOrderWithSequenceAndMessageEnd()
    {
        BulkInQueue queue = Open();
        Device.Deliver(new byte[1024], zeroLengthPacket: true);
        Device.Deliver([1, 2]);
        List<(long Sequence, int Length, bool End)> seen = [];

        await foreach (BulkInLease packet in queue.ReadAllAsync())
        {
            seen.Add((packet.Sequence, packet.Length, packet.EndOfMessage));
            if (seen.Count == 3)
            {
                break;
            }
        }

        Assert.Equal([(0, 1024, false), (1, 0, true), (2, 2, true)], seen);
    }

    [Fact]
    public async Task ReadAllAsync_NextStep_ReturnsTheLeaseAndKeepsTheDepth()
    {
        BulkInQueue queue = Open();
        for (byte i = 0; i < 50; i++)
        {
            Device.Deliver([i]);
        }

        byte expected = 0;
        BulkInLease before = default;
        await foreach (BulkInLease packet in queue.ReadAllAsync())
        {
            Assert.Throws<ObjectDisposedException>(() => expected > 0 ? before.Memory : throw new ObjectDisposedException("the first has none before it"));
            Assert.Equal(1, queue.Statistics.Leases);
            Assert.Equal(0, queue.Statistics.Idle);
            Assert.Equal(expected++, packet.Span[0]);
            before = packet;
            if (expected == 50)
            {
                break;
            }
        }

        Assert.Equal(0, queue.Statistics.Leases);
    }

    [Fact]
    public async Task ReadAllAsync_Break_ReturnsTheLeaseAndTheQueue()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        Device.Deliver([2]);

        await foreach (BulkInLease packet in queue.ReadAllAsync())
        {
            Assert.Equal(1, packet.Span[0]);
            break;
        }

        Assert.Equal(0, queue.Statistics.Leases);
        Assert.Equal([2], await ReceiveAsync(queue));
    }

    [Fact]
    public async Task ReadAllAsync_ThrowInTheBody_ReturnsTheLeaseAndTheQueue()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);

        await Assert.ThrowsAsync<InvalidTimeZoneException>(async () =>
        {
            await foreach (BulkInLease packet in queue.ReadAllAsync())
            {
                throw new InvalidTimeZoneException();
            }
        });

        Assert.Equal(0, queue.Statistics.Leases);
        Assert.False(queue.TryRecv(Destination, out _));
    }

    [Fact]
    public async Task ReadAllAsync_DisposedEarlyByTheUser_IsReturnedOnce()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        await using IAsyncEnumerator<BulkInLease> packets = queue.ReadAllAsync().GetAsyncEnumerator();
        Assert.True(await packets.MoveNextAsync().InTime());

        packets.Current.Dispose();
        Assert.Equal(0, queue.Statistics.Leases);
        Device.Deliver([2]);
        Assert.True(await packets.MoveNextAsync().InTime());

        Assert.Equal(1, queue.Statistics.Leases);
        Assert.Equal(2, packets.Current.Span[0]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ReadAllAsync_StopOrUnplug_EndsAfterWhatHadArrived(bool unplug)
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        Device.Deliver([2]);
        Task<List<byte>> all = CollectAsync(queue);

        if (unplug)
        {
            Device.Unplug();
        }
        else
        {
            await queue.StopAsync().InTime();
        }

        Assert.Equal([1, 2], await all.InTime());
    }

    [Fact]
    public async Task ReadAllAsync_RecoverableFault_IsThrownAtItsPositionAndTheNextEnumerationGoesOn()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        Device.Stall();
        List<byte> seen = [];

        BulkInException fault = await Assert.ThrowsAsync<BulkInException>(() => CollectAsync(queue, seen).InTime());

        Assert.Equal((BulkInError.Stall, 1L), (fault.Error, fault.Sequence));
        Assert.Equal([1], seen);
        Device.Deliver([2]);
        await foreach (BulkInLease packet in queue.ReadAllAsync())
        {
            Assert.Equal(2, packet.Span[0]);
            break;
        }
    }

    [Fact]
    public async Task ReadAllAsync_TokenCancelled_EndsTheWaitAndLosesNothing()
    {
        BulkInQueue queue = Open();
        using CancellationTokenSource cancel = new();
        Task<List<byte>> all = CollectAsync(queue, token: cancel.Token);

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => all.InTime());
        Device.Deliver([1]);
        Assert.Equal([1], await ReceiveAsync(queue));
    }

    [Fact]
    public async Task ReadAllAsync_QueueDisposedOf_Throws()
    {
        BulkInQueue queue = Open();
        Task<List<byte>> all = CollectAsync(queue);

        await queue.DisposeAsync().InTime();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => all.InTime());
    }

    private static async Task<List<byte>> CollectAsync(BulkInQueue queue, List<byte>? seen = null, CancellationToken token = default)
    {
        seen ??= [];
        await foreach (BulkInLease packet in queue.ReadAllAsync(token))
        {
            seen.Add(packet.Span[0]);
        }

        return seen;
    }
}
