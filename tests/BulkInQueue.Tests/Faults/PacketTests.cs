using BulkIn.Backends;
using Xunit;

namespace BulkIn;

public sealed class PacketTests : FaultTest
{
    [Fact]
    [FaultRow(1)]
    public async Task RecvAsync_EveryShortLength_IsOneTransfer()
    {
        BulkInQueue queue = Open();
        for (int length = 1; length <= 513; length++)
        {
            byte[] message = [.. Enumerable.Range(0, length).Select(i => (byte)(i + length))];
            Device.Deliver(message, zeroLengthPacket: true);

            BulkInResult result = await queue.RecvAsync(Destination).InTime();

            Assert.Equal((length, 0, true, length - 1L), (result.Length, result.Remaining, result.EndOfMessage, result.Sequence));
            Assert.Equal(message, Destination[..length]);
        }

        Assert.Equal(4, Device.Posted);
    }

    [Fact]
    [FaultRow(2)]
    public async Task RecvAsync_ZeroLengthPackets_AreMessagesOfTheirOwn()
    {
        BulkInQueue queue = Open();
        Device.Deliver([]);
        Device.Deliver(new byte[1024], zeroLengthPacket: true);
        Device.Deliver([1]);

        List<(int, bool)> got = [];
        for (int i = 0; i < 4; i++)
        {
            BulkInResult result = await queue.RecvAsync(Destination).InTime();
            got.Add((result.Length, result.EndOfMessage));
        }

        Assert.Equal([(0, true), (1024, false), (0, true), (1, true)], got);
    }

    [Fact]
    [FaultRow(3)]
    public async Task RecvAsync_ExactlyTheBuffer_NextMessageStartsInTheNextSlot()
    {
        BulkInQueue queue = Open();
        Device.Deliver([.. Enumerable.Repeat((byte)1, 1024)]);
        Device.Deliver([2, 2]);

        BulkInResult full = await queue.RecvAsync(Destination).InTime();
        Assert.Equal((1024, false), (full.Length, full.EndOfMessage));
        Assert.DoesNotContain((byte)2, Destination[..1024]);
        await DataAsync(queue, 2, 2);
    }

    [Theory]
    [FaultRow(4)]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(99)]
    public async Task RecvAsync_ShortDestination_DeliversEveryByteInPieces(int piece)
    {
        BulkInQueue queue = Open();
        byte[] message = [.. Enumerable.Range(0, 100).Select(i => (byte)i)];
        Device.Deliver(message);
        List<byte> got = [];
        bool end = false;
        while (!end)
        {
            BulkInResult result = await queue.RecvAsync(Destination.AsMemory(0, piece)).InTime();
            got.AddRange(Destination[..result.Length]);
            Assert.Equal((100 - got.Count, 0L), (result.Remaining, result.Sequence));
            end = result.EndOfMessage;
        }

        Assert.Equal(message, got);
    }

    [Fact]
    [FaultRow(5)]
    public async Task RecvAsync_FloodWithoutAReader_HoldsWhatIsPostedAndLosesNothing()
    {
        BulkInQueue queue = Open();
        for (int i = 0; i < 100; i++)
        {
            Device.Deliver([(byte)i]);
        }

        Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal((0, 96), (Device.Posted, Device.WaitingMessages));
        for (int i = 0; i < 100; i++)
        {
            await DataAsync(queue, (byte)i);
        }

        Assert.Equal(4, Device.Posted);
    }

    [Fact]
    [FaultRow(7)]
    public async Task RecvAsync_SecondReceive_IsRefusedAndTheFirstIsUnharmed()
    {
        BulkInQueue queue = Open();
        ValueTask<BulkInResult> first = queue.RecvAsync(Destination);

        for (int i = 0; i < 10; i++)
        {
            Assert.Throws<InvalidOperationException>(() => { _ = queue.RecvAsync(new byte[8], Second); });
        }

        Device.Deliver([1, 2, 3]);
        Assert.Equal(3, (await first.InTime()).Length);
        await NothingAsync(queue);
    }

    [Fact]
    [FaultRow(8)]
    public async Task RecvAsync_EveryOrderOfFourCompletions_DeliversInSubmissionOrder()
    {
        BulkInQueue queue = Open();
        byte next = 0;
        Device.Hold();
        foreach (int[] order in Permutations([0, 1, 2, 3]))
        {
            for (int i = 0; i < 4; i++)
            {
                Device.Deliver([(byte)(next + i)]);
            }

            ValueTask<BulkInResult> pending = queue.RecvAsync(Destination);
            Device.Release(order);
            Assert.Equal(1, (await pending.InTime()).Length);
            Assert.Equal(next++, Destination[0]);
            for (int i = 1; i < 4; i++)
            {
                await DataAsync(queue, next++);
            }
        }

        Device.StopHolding();
    }

    [Theory]
    [FaultRow(9)]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public async Task LeaseAsync_ReturnedInAnotherOrder_StreamIsUnbroken(int spares)
    {
        BulkInQueue queue = Open(Defaults with { Depth = 3, SpareBuffers = spares });
        byte next = 0;
        for (int round = 0; round < 10; round++)
        {
            for (int i = 0; i < 3; i++)
            {
                Device.Deliver([(byte)(next + i)]);
            }

            BulkInLease[] leases = new BulkInLease[3];
            for (int i = 0; i < 3; i++)
            {
                leases[i] = await queue.LeaseAsync().InTime();
                Assert.Equal([next++], leases[i].Memory.ToArray());
            }

            Assert.Equal(Math.Min(3, spares), Device.Posted);
            foreach (int i in (int[])[2, 0, 1])
            {
                leases[i].Dispose();
            }

            Assert.Equal(3, Device.Posted);
        }
    }

    [Fact]
    [FaultRow(10)]
    public async Task RecvAsync_FailureInALaterPart_DeliversTheEarlierBytesThenTheFault()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        Device.Fail(TransferStatus.Error, [2, 3, 4]);

        await DataAsync(queue, 1);
        BulkInResult partial = await queue.RecvAsync(Destination).InTime();
        Assert.Equal((3, false, false), (partial.Length, partial.EndOfMessage, partial.IsUntrusted));
        Assert.Equal([2, 3, 4], Destination[..3]);
        BulkInException fault = await FaultAsync(queue);
        Assert.Equal((BulkInError.TransferError, 2L, 4L), (fault.Error, fault.Sequence, fault.BytePosition));
        await WorksAsync(queue);
    }

    [Theory]
    [FaultRow(63)]
    [InlineData(8)]
    [InlineData(64)]
    [InlineData(512)]
    [InlineData(1024)]
    public async Task RecvAsync_EveryMaxPacketSize_SameResults(int size)
    {
        using Testing.SimulatedEndpoint device = new(EndpointOptions with { MaxPacketSize = size });
        await using BulkInQueue queue = device.OpenQueue(Defaults with { BufferLength = 2 * size });
        int[] lengths = [1, size - 1, size, size + 1, 2 * size, (2 * size) + 1, 0];
        List<byte> sent = [];
        foreach (int length in lengths)
        {
            byte[] message = [.. Enumerable.Range(0, length).Select(i => (byte)(i + length))];
            sent.AddRange(message);
            device.Deliver(message, zeroLengthPacket: true);
        }

        List<byte> got = [];
        for (int ends = 0; ends < lengths.Length;)
        {
            BulkInResult result = await queue.RecvAsync(Destination).InTime();
            got.AddRange(Destination[..result.Length]);
            ends += result.EndOfMessage ? 1 : 0;
        }

        Assert.Equal(sent, got);
    }

    private static IEnumerable<int[]> Permutations(int[] items) => items.Length == 1
        ? [items]
        : items.SelectMany(head => Permutations([.. items.Where(i => i != head)]).Select(tail => (int[])[head, .. tail]));
}
