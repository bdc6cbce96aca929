using System.Threading.Channels;
using Xunit;

namespace BulkIn.Adapters;

public class PumpTests : QueueTest
{
    [Fact]
    public async Task StartPump_NobodyReads_DrainsTheEndpoint()
    {
        BulkInQueue queue = Open();
        await using BulkInPump pump = queue.StartPump(1000);

        for (int i = 0; i < 500; i++)
        {
            Device.Deliver([(byte)i, (byte)(i >> 8)]);
        }

        await WaitingAsync(pump, 500);
        Assert.Equal(0, Device.WaitingBytes);
        Assert.Equal(4, Device.Posted);
        Assert.Equal(0, queue.Statistics.Leases);
        for (int i = 0; i < 500; i++)
        {
            using BulkInLease packet = await pump.Reader.ReadAsync().InTime();
            Assert.Equal([(byte)i, (byte)(i >> 8)], packet.Span.ToArray());
            Assert.Equal((i, true), (packet.Sequence, packet.EndOfMessage));
        }

        Assert.Equal(0, pump.Dropped);
    }

    [Fact]
    public async Task Reader_ZeroLengthPacket_IsAPacket()
    {
        await using BulkInPump pump = Open().StartPump();
        Device.Deliver([]);

        using BulkInLease packet = await pump.Reader.ReadAsync().InTime();

        Assert.Equal((true, 0, true), (packet.IsData, packet.Length, packet.EndOfMessage));
    }

    [Fact]
    public async Task Packet_DisposedOfTwice_IsReturnedOnce()
    {
        await using BulkInPump pump = Open().StartPump();
        Device.Deliver([1]);
        BulkInLease first = await pump.Reader.ReadAsync().InTime();
        BulkInLease copy = first;
        first.Dispose();
        Assert.Throws<ObjectDisposedException>(() => copy.Memory);
        Device.Deliver([2]);
        BulkInLease second = await pump.Reader.ReadAsync().InTime();

        copy.Dispose();

        Assert.Equal(2, second.Span[0]);
        second.Dispose();
    }

    [Fact]
    public async Task Wait_Full_HoldsThePumpUntilThereIsRoom()
    {
        BulkInQueue queue = Open();
        await using BulkInPump pump = queue.StartPump(2);
        for (byte i = 0; i < 20; i++)
        {
            Device.Deliver([i]);
        }

        // Two wait in the channel, one is in the pump's hand, four have filled the slots: the device keeps the rest.
        await Device.WaitUntilAsync(d => d.Posted == 0);
        await WaitingAsync(pump, 2);
        Assert.True(Device.WaitingMessages > 0, "Back-pressure did not reach the device.");
        for (byte i = 0; i < 20; i++)
        {
            using BulkInLease packet = await pump.Reader.ReadAsync().InTime();
            Assert.Equal(i, packet.Span[0]);
        }

        Assert.Equal(0, pump.Dropped);
    }

    [Theory]
    [InlineData(BulkInPumpFullMode.DropOldest, new byte[] { 7, 8, 9 })]
    [InlineData(BulkInPumpFullMode.DropNewest, new byte[] { 0, 1, 9 })]
    [InlineData(BulkInPumpFullMode.DropWrite, new byte[] { 0, 1, 2 })]
    public async Task Drop_Full_KeepsWhatTheModeSaysAndCountsTheRest(BulkInPumpFullMode mode, byte[] kept)
    {
        BulkInQueue queue = Open();
        await using BulkInPump pump = queue.StartPump(3, mode);
        for (byte i = 0; i < 10; i++)
        {
            Device.Deliver([i, i]);
        }

        await Eventually.HoldsAsync(() => queue.Statistics.BytesDiscarded == 14, "seven packets of two bytes were dropped");
        Assert.Equal((7L, 14L, 3), (pump.Dropped, pump.DroppedBytes, pump.Reader.Count));
        foreach (byte value in kept)
        {
            using BulkInLease packet = await pump.Reader.ReadAsync().InTime();
            Assert.Equal(value, packet.Span[0]);
        }

        Assert.False(pump.Reader.TryRead(out _));
        Device.Deliver([42]);
        using BulkInLease next = await pump.Reader.ReadAsync().InTime();
        Assert.Equal(42, next.Span[0]);
    }

    [Fact]
    public async Task Fault_Full_EndsThePumpAndLosesNothing()
    {
        BulkInQueue queue = Open();
        await using BulkInPump pump = queue.StartPump(2, BulkInPumpFullMode.Fault);
        for (byte i = 0; i < 5; i++)
        {
            Device.Deliver([i]);
        }

        // Two fill the channel, the third overruns it; only then is there a reader, who would have made room.
        await WaitingAsync(pump, 3);
        List<byte> seen = [];
        BulkInException overrun = await Assert.ThrowsAsync<BulkInException>(() => DrainAsync(pump, seen).InTime());

        Assert.Equal((BulkInError.PumpOverrun, 3L), (overrun.Error, overrun.Sequence));
        Assert.Equal([0, 1, 2], seen);
        Assert.Equal(0, pump.Dropped);
        Assert.Equal([3], await ReceiveAsync(queue));
        Assert.Equal([4], await ReceiveAsync(queue));
    }

    [Fact]
    public async Task Reader_RecoverableFault_ThrowsOnceAtItsPositionAndGoesOn()
    {
        await using BulkInPump pump = Open().StartPump();
        Device.Deliver([1]);
        Device.Stall();
        Device.Deliver([2]);
        List<byte> seen = [];

        BulkInException fault = await Assert.ThrowsAsync<BulkInException>(() => DrainAsync(pump, seen).InTime());

        Assert.Equal((BulkInError.Stall, true), (fault.Error, fault.RecoversByItself));
        Assert.Equal([1], seen);
        using BulkInLease next = await pump.Reader.ReadAsync().InTime();
        Assert.Equal(2, next.Span[0]);
    }

    [Theory]
    [InlineData(BulkInPumpFullMode.DropOldest, new byte[] { 3, 4 }, true)]
    [InlineData(BulkInPumpFullMode.DropNewest, new byte[] { 1, 4 }, false)]
    public async Task Drop_FaultsBetween_KeepsAFaultForTheGap(BulkInPumpFullMode mode, byte[] kept, bool faultFirst)
    {
        BulkInQueue queue = Open();
        await using BulkInPump pump = queue.StartPump(2, mode);
        for (byte i = 1; i <= 4; i++)
        {
            Device.Deliver([i]);
            await Eventually.HoldsAsync(() => queue.Statistics.Transfers == i && (pump.Reader.Count == Math.Min(2, (int)i)), "the packet was taken");
            if (i < 4)
            {
                Device.StallOnce();
                await Eventually.HoldsAsync(() => queue.Statistics.Recoveries == i && queue.State == BulkInState.Running, "the queue recovered");
            }
        }

        await Eventually.HoldsAsync(() => pump.Dropped == 2, "two packets were dropped");
        List<string> seen = [];
        while (seen.Count(s => s != "fault") < 2)
        {
            try
            {
                using BulkInLease packet = await pump.Reader.ReadAsync().InTime();
                seen.Add(packet.Span[0].ToString(System.Globalization.CultureInfo.InvariantCulture));
            }
            catch (BulkInException)
            {
                seen.Add("fault");
            }
        }

        string first = kept[0].ToString(System.Globalization.CultureInfo.InvariantCulture);
        string second = kept[1].ToString(System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal(faultFirst ? ["fault", first, "fault", second] : [first, "fault", second], seen);
    }

    [Fact]
    public async Task Reader_FaultThatWaitsForRecoverAsync_EndsThePumpWithIt()
    {
        BulkInQueue queue = Open(Defaults with { Recovery = BulkInRecovery.Manual });
        await using BulkInPump pump = queue.StartPump();
        Device.Deliver([1]);
        Device.Stall();
        List<byte> seen = [];

        BulkInException fault = await Assert.ThrowsAsync<BulkInException>(() => DrainAsync(pump, seen).InTime());

        Assert.Equal(BulkInError.Stall, fault.Error);
        Assert.Equal([1], seen);
        await Assert.ThrowsAsync<BulkInException>(() => pump.Reader.Completion.InTime());
        await queue.RecoverAsync().InTime();
        await using BulkInPump next = queue.StartPump();
        Device.Deliver([2]);
        using BulkInLease packet = await next.Reader.ReadAsync().InTime();
        Assert.Equal(2, packet.Span[0]);
    }

    [Theory]
    [InlineData("stop")]
    [InlineData("unplug")]
    [InlineData("stop the pump")]
    public async Task Reader_ProperEnd_CompletesAfterWhatHadArrived(string end)
    {
        BulkInQueue queue = Open();
        BulkInPump pump = queue.StartPump();
        Device.Deliver([1]);
        Device.Deliver([2]);
        await WaitingAsync(pump, 2);
        switch (end)
        {
            case "stop":
                await queue.StopAsync().InTime();
                break;
            case "unplug":
                Device.Unplug();
                break;
            default:
                await pump.StopAsync().InTime();
                break;
        }

        List<byte> seen = [];
        await DrainAsync(pump, seen).InTime();

        Assert.Equal([1, 2], seen);
        await pump.Reader.Completion.InTime();
        Assert.False(await pump.Reader.WaitToReadAsync().InTime());
        Assert.Null((await Assert.ThrowsAsync<ChannelClosedException>(() => pump.Reader.ReadAsync().InTime())).InnerException);
        await pump.DisposeAsync().InTime();
        Assert.Equal(0, pump.Dropped);
    }

    [Fact]
    public async Task ReadAsync_PumpEndedByAFault_IsClosedBecauseOfIt()
    {
        BulkInQueue queue = Open(Defaults with { Recovery = BulkInRecovery.Manual });
        await using BulkInPump pump = queue.StartPump();
        ValueTask<BulkInLease> waiting = pump.Reader.ReadAsync();
        Assert.False(waiting.IsCompleted, "Nothing was delivered.");

        Device.Stall();

        ChannelClosedException closed = await Assert.ThrowsAsync<ChannelClosedException>(() => waiting.InTime());
        Assert.Equal(BulkInError.Stall, Assert.IsType<BulkInException>(closed.InnerException).Error);
        closed = await Assert.ThrowsAsync<ChannelClosedException>(() => pump.Reader.ReadAsync().InTime());
        Assert.IsType<BulkInException>(closed.InnerException);
    }

    [Fact]
    public async Task ReadAsync_TokenCancelled_EndsTheWaitOnly()
    {
        BulkInQueue queue = Open();
        await using BulkInPump pump = queue.StartPump();
        using CancellationTokenSource cancel = new();
        ValueTask<BulkInLease> waiting = pump.Reader.ReadAsync(cancel.Token);

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.InTime());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pump.Reader.ReadAsync(cancel.Token).InTime());
        Device.Deliver([1]);
        using BulkInLease packet = await pump.Reader.ReadAsync().InTime();
        Assert.Equal(1, packet.Span[0]);
    }

    [Fact]
    public async Task Reader_QueueDisposedOf_CompletesWithThat()
    {
        BulkInQueue queue = Open();
        BulkInPump pump = queue.StartPump();
        Device.Deliver([1]);
        await WaitingAsync(pump, 1);

        await queue.DisposeAsync().InTime();

        List<byte> seen = [];
        await Assert.ThrowsAsync<ObjectDisposedException>(() => DrainAsync(pump, seen).InTime());
        Assert.Equal([1], seen);
        await pump.DisposeAsync().InTime();
    }

    [Fact]
    public async Task StopAsync_WhileThePumpWaitsForRoom_EndsItAndKeepsThePacketInHand()
    {
        BulkInQueue queue = Open();
        BulkInPump pump = queue.StartPump(1);
        for (byte i = 0; i < 4; i++)
        {
            Device.Deliver([i]);
        }

        await Eventually.HoldsAsync(() => queue.Statistics.Transfers == 2, "the pump waits with a packet in hand");
        await pump.StopAsync().InTime();

        List<byte> seen = [];
        await DrainAsync(pump, seen).InTime();
        Assert.Equal([0, 1], seen);
        Assert.Equal([2], await ReceiveAsync(queue));
        await pump.DisposeAsync().InTime();
    }

    [Fact]
    public async Task DisposeAsync_UnreadPackets_AreDroppedAndCounted()
    {
        BulkInQueue queue = Open();
        BulkInPump pump = queue.StartPump();
        Device.Deliver([1, 2]);
        Device.Deliver([3]);
        await WaitingAsync(pump, 2);

        await pump.DisposeAsync().InTime();
        await pump.DisposeAsync().InTime();

        Assert.Equal((2L, 3L), (pump.Dropped, pump.DroppedBytes));
        Assert.Equal(3, queue.Statistics.BytesDiscarded);
        Assert.False(await pump.Reader.WaitToReadAsync().InTime());
        await pump.Reader.Completion.InTime();
    }

    [Fact]
    public async Task Reader_SeveralReaders_EachPacketGoesToOne()
    {
        await using BulkInPump pump = Open().StartPump(16);
        long sum = 0;
        int count = 0;
        async Task ReadAsync()
        {
            await foreach (BulkInLease packet in pump.Reader.ReadAllAsync())
            {
                Interlocked.Add(ref sum, packet.Span[0]);
                Interlocked.Increment(ref count);
                packet.Dispose();
            }
        }

        Task[] readers = [Task.Run(ReadAsync), Task.Run(ReadAsync), Task.Run(ReadAsync)];
        for (int i = 0; i < 3000; i++)
        {
            Device.Deliver([(byte)(i % 100)]);
        }

        await Eventually.HoldsAsync(() => Volatile.Read(ref count) == 3000, "every packet was read");
        await pump.StopAsync().InTime();
        await Task.WhenAll(readers).InTime();
        Assert.Equal(30 * 4950, sum);
    }

    [Fact]
    public async Task StartPump_BadArguments_ThrowsAndLeavesTheQueueFree()
    {
        BulkInQueue queue = Open();

        Assert.Throws<ArgumentOutOfRangeException>("capacity", () => queue.StartPump(0));
        Assert.Throws<ArgumentOutOfRangeException>("fullMode", () => queue.StartPump(1, (BulkInPumpFullMode)9));

        Device.Deliver([1]);
        Assert.Equal([1], await ReceiveAsync(queue));
    }

    private static Task WaitingAsync(BulkInPump pump, int packets) =>
        Eventually.HoldsAsync(() => pump.Reader.Count == packets, $"{packets} packets wait in the pump");

    private static async Task DrainAsync(BulkInPump pump, List<byte> seen)
    {
        await foreach (BulkInLease packet in pump.Reader.ReadAllAsync())
        {
            seen.Add(packet.Span[0]);
            packet.Dispose();
        }
    }
}
