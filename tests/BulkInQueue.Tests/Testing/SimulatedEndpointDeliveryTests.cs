using BulkIn.Backends;
using Xunit;

namespace BulkIn.Testing;

public sealed class SimulatedEndpointDeliveryTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(511)]
    [InlineData(513)]
    [InlineData(1023)]
    public void Deliver_ShortPacketAtTheEnd_EndsTheTransfer(int length)
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint, transfers: 2);
        host.SubmitAll();
        byte[] message = Pattern(length);

        endpoint.Deliver(message);

        SeamHost.Seen seen = Assert.Single(host.Completions);
        Assert.Equal((0, TransferStatus.Completed, length), (seen.Slot, seen.Status, seen.Length));
        Assert.Equal(message, host.Bytes(0, length));
        Assert.Equal(1, endpoint.Posted);
    }

    [Fact]
    public void Deliver_ExactMultipleOfTheMaxPacketSizeBelowTheBuffer_StaysPostedWithItsBytes()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint);
        host.SubmitAll();

        endpoint.Deliver(Pattern(512));
        Assert.Empty(host.Completions);
        Assert.Equal(0, endpoint.WaitingBytes);

        endpoint.Deliver(Pattern(3));
        SeamHost.Seen seen = Assert.Single(host.Completions);
        Assert.Equal(515, seen.Length);
        Assert.Equal([.. Pattern(512), .. Pattern(3)], host.Bytes(0, 515));
    }

    [Fact]
    public void Deliver_ExactMultipleWithZeroLengthPacket_EndsTheTransfer()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint);
        host.SubmitAll();

        endpoint.Deliver(Pattern(512), zeroLengthPacket: true);

        Assert.Equal(512, Assert.Single(host.Completions).Length);
    }

    [Fact]
    public void Deliver_FullBufferWithZeroLengthPacket_PutsTheMarkIntoTheNextTransfer()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint, transfers: 3);
        host.SubmitAll();

        endpoint.Deliver(Pattern(1024), zeroLengthPacket: true);

        Assert.Equal([(0, 1024), (1, 0)], host.Completions.Select(c => (c.Slot, c.Length)));
        Assert.Equal(1, endpoint.Posted);
    }

    [Fact]
    public void Deliver_Empty_IsAZeroLengthPacket()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint);
        host.SubmitAll();

        endpoint.Deliver([]);

        Assert.Equal(0, Assert.Single(host.Completions).Length);
    }

    [Fact]
    public void Deliver_LongerThanABuffer_FillsTransfersInTheOrderOfSubmission()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint, transfers: 3);
        host.Submit(2);
        host.Submit(0);
        host.Submit(1);
        byte[] message = Pattern(2500);

        endpoint.Deliver(message);

        Assert.Equal([(2, 1024), (0, 1024), (1, 452)], host.Completions.Select(c => (c.Slot, c.Length)));
        byte[] received = [.. host.Bytes(2, 1024), .. host.Bytes(0, 1024), .. host.Bytes(1, 452)];
        Assert.Equal(message, received);
    }

    [Fact]
    public void Deliver_NothingPosted_WaitsInTheDeviceAndFillsTheNextSubmits()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint);
        endpoint.Deliver(Pattern(1024 + 7));
        endpoint.Deliver(Pattern(5));
        Assert.Equal((1036, 2), (endpoint.WaitingBytes, endpoint.WaitingMessages));

        host.Submit(0);
        host.Submit(0);
        host.Submit(0);

        Assert.Equal([1024, 7, 5], host.Completions.Select(c => c.Length));
        Assert.Equal((0, 0, 2L), (endpoint.WaitingBytes, endpoint.WaitingMessages, endpoint.MessagesTaken));
    }

    [Fact]
    public void Deliver_ManyMessagesThroughAWrappingFifo_KeepsEveryByte()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint);
        List<byte> sent = [];
        List<byte> got = [];
        host.OnComplete = _ => got.AddRange(host.Bytes(0, host.Completions.Last().Length));
        for (int round = 0; round < 500; round++)
        {
            // A marked end for each message, so that none is left half in a transfer.
            byte[] message = Pattern(1 + (round * 37 % 1500), seed: round);
            sent.AddRange(message);
            endpoint.Deliver(message, zeroLengthPacket: true);
            for (int i = 0; i < round % 4; i++)
            {
                Post();
            }
        }

        while (endpoint.WaitingMessages > 0)
        {
            Post();
        }

        Assert.Equal(sent, got);

        void Post()
        {
            if (endpoint.Posted == 0)
            {
                host.Submit(0);
            }
        }
    }

    [Fact]
    public void TryDeliver_FifoWithoutRoom_TakesNothing()
    {
        using SimulatedEndpoint endpoint = new(new SimulatedEndpointOptions { FifoCapacity = 600 });
        using SeamHost host = new(endpoint);

        Assert.True(endpoint.TryDeliver(Pattern(500)));
        Assert.False(endpoint.TryDeliver(Pattern(101)));
        Assert.True(endpoint.TryDeliver(Pattern(100)));
        Assert.Throws<InvalidOperationException>(() => endpoint.Deliver(Pattern(1)));

        host.Submit(0);
        Assert.Equal(500, Assert.Single(host.Completions).Length);
        Assert.True(endpoint.TryDeliver(Pattern(500)));
    }

    [Fact]
    public void TryDeliver_PostedTransfersTakeWhatTheFifoCannot_Succeeds()
    {
        using SimulatedEndpoint endpoint = new(new SimulatedEndpointOptions { FifoCapacity = 10 });
        using SeamHost host = new(endpoint, transfers: 2);
        host.SubmitAll();

        Assert.False(endpoint.TryDeliver(Pattern(2048 + 11)));
        Assert.True(endpoint.TryDeliver(Pattern(2048 + 10)));
        Assert.Equal(10, endpoint.WaitingBytes);
    }

    [Fact]
    public void Submit_DataWaitsOnCallersThread_CompletesBeforeSubmitReturns()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint);
        int seenAtReturn = -1;
        endpoint.Hooks.Submitted = _ => seenAtReturn = host.Completions.Count;
        endpoint.Deliver(Pattern(1));

        host.Submit(0);

        Assert.Equal(1, seenAtReturn);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Submit_DedicatedThread_CompletesInsideSubmitOnlyWhenAsked(bool inside)
    {
        using SimulatedEndpoint endpoint = new(new SimulatedEndpointOptions { CompletionThread = CompletionThread.Dedicated, CompletesInsideSubmit = inside });
        using SeamHost host = new(endpoint);
        endpoint.Deliver(Pattern(1));

        int mine = Environment.CurrentManagedThreadId;
        host.Submit(0);
        await endpoint.WaitUntilAsync(_ => !host.Completions.IsEmpty);

        Assert.Equal(inside, host.Completions.Single().Thread == mine);
    }

    [Fact]
    public void StartInstant_EverySubmit_CompletesAtOnceWithThePattern()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint);
        endpoint.StartInstant(Pattern(100));
        host.Submit(0);
        host.Submit(0);
        Assert.Equal(Pattern(100), host.Bytes(0, 100));
        endpoint.StopInstant();
        host.Submit(0);

        Assert.Equal([100, 100], host.Completions.Select(c => c.Length));
        Assert.Equal(1, endpoint.Posted);
    }

    [Fact]
    public void StartInstant_SteadyStateWithoutRecord_AllocatesNothing()
    {
        using SimulatedEndpoint endpoint = new(SimulatedEndpointOptions.Fast);
        CountingCompletion counter = new();
        TransferBuffer buffer = endpoint.Backend.AllocateBuffer(1024)!;
        IBulkInTransfer transfer = endpoint.Backend.CreateTransfer(counter);
        endpoint.StartInstant(64);
        Run(1000);

        long before = GC.GetAllocatedBytesForCurrentThread();
        Run(100_000);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        transfer.Dispose();
        buffer.Dispose();
        endpoint.Backend.Dispose();
        Assert.Equal(101_000, counter.Count);
        AssertNothingFor(100_000, allocated);

        void Run(int times)
        {
            for (int i = 0; i < times; i++)
            {
                transfer.Submit(buffer);
            }
        }
    }

    [Fact]
    public void Deliver_SteadyStateWithoutRecord_AllocatesNothing()
    {
        using SimulatedEndpoint endpoint = new(SimulatedEndpointOptions.Fast);
        CountingCompletion counter = new();
        TransferBuffer buffer = endpoint.Backend.AllocateBuffer(1024)!;
        IBulkInTransfer transfer = endpoint.Backend.CreateTransfer(counter);
        byte[] message = Pattern(700);
        Run(1000);

        long before = GC.GetAllocatedBytesForCurrentThread();
        Run(100_000);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        transfer.Dispose();
        buffer.Dispose();
        endpoint.Backend.Dispose();
        Assert.Equal(101_000, counter.Count);
        AssertNothingFor(100_000, allocated);

        void Run(int times)
        {
            for (int i = 0; i < times; i++)
            {
                transfer.Submit(buffer);
                endpoint.Deliver(message);
            }
        }
    }

    [Fact]
    public void Posted_OverTime_IsCountedWithItsGaps()
    {
        VirtualClock clock = new();
        using SimulatedEndpoint endpoint = new(new SimulatedEndpointOptions { TimeProvider = clock });
        using SeamHost host = new(endpoint, transfers: 2);
        clock.Advance(TimeSpan.FromSeconds(1));
        host.SubmitAll();
        clock.Advance(TimeSpan.FromSeconds(1));
        endpoint.Deliver(Pattern(1));
        endpoint.Deliver(Pattern(1));
        clock.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal((1L, TimeSpan.FromSeconds(3)), (endpoint.Starvations, endpoint.StarvationTime));
        host.Submit(0);
        clock.Advance(TimeSpan.FromSeconds(5));

        Assert.Equal((1L, TimeSpan.FromSeconds(3)), (endpoint.Starvations, endpoint.StarvationTime));
        Assert.Equal((1, 0, 2), (endpoint.Posted, endpoint.PostedMinimum, endpoint.PostedMaximum));
        Assert.Equal(
            [(0, 0), (1, 1), (1, 2), (2, 1), (2, 0), (5, 1)],
            endpoint.GetDepthHistory().Select(d => ((int)d.Time.TotalSeconds, d.Posted)));

        endpoint.ResetStatistics();
        Assert.Equal((1, 1, 0L), (endpoint.PostedMinimum, endpoint.PostedMaximum, endpoint.Starvations));
    }

    [Fact]
    public void Hold_ReleaseInAnyOrder_ReportsInThatOrder()
    {
        using SimulatedEndpoint endpoint = new();
        using SeamHost host = new(endpoint, transfers: 5);
        host.SubmitAll();
        endpoint.Hold();
        for (int i = 1; i <= 5; i++)
        {
            endpoint.Deliver(Pattern(i));
        }

        Assert.Empty(host.Completions);
        Assert.Equal((5, 5, 0), (endpoint.HeldCompletions, endpoint.InFlight, endpoint.Posted));

        endpoint.Release(2, 0);
        Assert.Equal([2, 0], host.Order);
        endpoint.ReleaseReversed();
        Assert.Equal([2, 0, 4, 3, 1], host.Order);
        Assert.Equal([3, 1, 5, 4, 2], host.Completions.Select(c => c.Length));
        Assert.Equal(0, endpoint.InFlight);
        Assert.Throws<ArgumentException>(() => endpoint.Release(0));
        endpoint.StopHolding();
    }

    [Fact]
    public async Task WaitUntilAsync_NeverSo_SaysWhatHappened()
    {
        using SimulatedEndpoint endpoint = new();
        endpoint.Stall();

        TimeoutException late = await Assert.ThrowsAsync<TimeoutException>(() => endpoint.WaitUntilAsync(_ => false, TimeSpan.FromMilliseconds(1)));

        Assert.Contains("Halted", late.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Log_OrdinaryTraffic_IsAnOrderedReadableRecord()
    {
        VirtualClock clock = new();
        using SimulatedEndpoint endpoint = new(new SimulatedEndpointOptions { TimeProvider = clock });
        using (SeamHost host = new(endpoint))
        {
            host.Submit(0);
            clock.Advance(TimeSpan.FromMilliseconds(1.5));
            endpoint.Deliver(Pattern(9));
        }

        Assert.Equal(
            [
                SimulatedEventKind.BufferAllocated, SimulatedEventKind.TransferCreated, SimulatedEventKind.Submitted, SimulatedEventKind.Delivered,
                SimulatedEventKind.Retired, SimulatedEventKind.Completed, SimulatedEventKind.CancelRequested, SimulatedEventKind.CancelAnswered,
                SimulatedEventKind.TransferDisposed, SimulatedEventKind.BufferDisposed, SimulatedEventKind.BackendDisposed,
            ],
            endpoint.Log.Events.Select(e => e.Kind));
        Assert.Equal(Enumerable.Range(0, 11).Select(i => (long)i), endpoint.Log.Events.Select(e => e.Sequence));
        Assert.Contains("#5 +1.500 ms Completed slot 0 submission 0 9 bytes Completed, 0 posted", endpoint.Log.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Log_MoreThanItsCapacity_KeepsTheNewest()
    {
        using SimulatedEndpoint endpoint = new(new SimulatedEndpointOptions { LogCapacity = 100 });
        for (int i = 0; i < 250; i++)
        {
            endpoint.Deliver(Pattern(1));
        }

        Assert.Equal(250, endpoint.Log.Count);
        Assert.Equal(Enumerable.Range(150, 100).Select(i => (long)i), endpoint.Log.Events.Select(e => e.Sequence));
        Assert.Equal([248L, 249L], endpoint.Log.Tail(2).Select(e => e.Sequence));
        Assert.StartsWith("  … 248 earlier events", endpoint.Log.Describe(2), StringComparison.Ordinal);
    }

    // The runtime itself may allocate a few objects once, when it compiles a hot method again.
    private static void AssertNothingFor(int transfers, long allocated) => Assert.InRange(allocated, 0, transfers / 100);

    private static byte[] Pattern(int length, int seed = 0) => [.. Enumerable.Range(0, length).Select(i => (byte)(seed + (i * 7)))];

    private sealed class CountingCompletion : ITransferCompletion
    {
        public int Count { get; private set; }

        public void Complete(TransferStatus status, int actualLength, int nativeStatus) => Count++;
    }
}
