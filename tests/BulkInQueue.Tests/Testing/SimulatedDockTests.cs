using System.Buffers.Binary;
using Xunit;

namespace BulkIn.Testing;

public sealed class SimulatedDockTests
{
    [Fact]
    public async Task WriteAsync_OneAtATimeHostThatReadsTooLittle_StallsAndTheDiagnosisSaysWhy()
    {
        VirtualClock clock = new();
        using SimulatedDock dock = new(Options(clock, replies: 2, fifo: 4));
        using OneAtATimeReader reader = new(dock.Endpoint.Backend, 1024, clock);
        byte[] reply = new byte[64];
        long outs = 0;

        // Each OUT is answered by two replies; the host reads one of them before the next OUT.
        while (true)
        {
            Task<bool> write = dock.WriteAsync(new byte[16], TimeSpan.FromSeconds(5));
            if (!write.IsCompleted)
            {
                Assert.True(dock.Diagnose().IsStalled);
                Assert.Equal("OUT 5 is NAKed: reply FIFO full (4 of 4 replies, 128 bytes), no IN transfer posted.", dock.Diagnose().ToString());
                clock.Advance(TimeSpan.FromSeconds(5));
                Assert.False(await write);
                break;
            }

            Assert.True(await write);
            outs++;
            Assert.Equal(32, await reader.ReadAsync(reply, TimeSpan.FromSeconds(1)));
            Assert.Equal((outs + 1) / 2, BinaryPrimitives.ReadInt64LittleEndian(reply));
        }

        Assert.Equal((4L, 8L, 4L), (dock.OutsAccepted, dock.RepliesProduced, dock.RepliesDelivered));
        Assert.Equal(1, dock.DepthHistory.Max(d => d.Posted));
        Assert.Null(dock.Diagnose().WaitingOut);
    }

    // The code of the package's README.
    [Fact]
    public async Task WriteAsync_ThirdOutOfAHostThatDoesNotRead_GoesThroughOnceAQueueIsOpen()
    {
        byte[] command = new byte[16];
        using SimulatedDock dock = new(new SimulatedDockOptions { FifoReplies = 2 });
        await dock.WriteAsync(command);
        await dock.WriteAsync(command);
        Task<bool> third = dock.WriteAsync(command, TimeSpan.FromSeconds(30));
        Assert.Equal("OUT 3 is NAKed: reply FIFO full (2 of 2 replies, 64 bytes), no IN transfer posted.", dock.Diagnose().ToString());

        await using BulkInQueue queue = dock.Endpoint.OpenQueue();
        Assert.True(await third);
    }

    [Fact]
    public async Task WriteAsync_FifoEmptiedJustAfterItWasFoundFull_NextReplyGoesIntoIt()
    {
        VirtualClock clock = new();
        using SimulatedDock dock = new(Options(clock, replies: 2, fifo: 1));
        using OneAtATimeReader reader = new(dock.Endpoint.Backend, 1024, clock);
        byte[] reply = new byte[64];
        Task<int?>? read = null;
        dock.Looked = () =>
        {
            // The first reply fills the FIFO; what is decided now rests on "full", which the read makes untrue.
            if (read is null && dock.Endpoint.WaitingMessages == 1)
            {
                read = reader.ReadAsync(reply, TimeSpan.FromSeconds(1));
            }
        };

        await dock.WriteAsync(new byte[16]).InTime();
        Assert.NotNull(read);
        Assert.Equal(32, await read.InTime());
        Assert.True(dock.Endpoint.WaitingMessages == 1, $"The second reply never went into the FIFO: {dock.Diagnose()}");
    }

    [Fact]
    public async Task WriteAsync_RepliesBeyondTheFifo_BlockTheNextOutUntilTheHostReads()
    {
        VirtualClock clock = new();
        using SimulatedDock dock = new(Options(clock, replies: 3, fifo: 2));
        using SeamHost host = new(dock.Endpoint, transfers: 4);
        await dock.WriteAsync(new byte[16]);
        Task second = dock.WriteAsync(new byte[16]);
        Assert.False(second.IsCompleted);
        Assert.Equal(new SimulatedDockDiagnosis(2, 2, 2, 64, 1, 0), dock.Diagnose());

        host.Submit(0);
        Assert.False(second.IsCompleted);
        host.Submit(1);

        await second.WaitAsync(TimeSpan.FromSeconds(10));
        host.Submit(2);
        host.Submit(3);
        await dock.Endpoint.WaitUntilAsync(_ => dock.RepliesDelivered == 4);
        Assert.Equal([0, 1, 2, 3], host.Order);
        Assert.Equal([1L, 1L, 1L, 2L], Enumerable.Range(0, 4).Select(i => BinaryPrimitives.ReadInt64LittleEndian(host.Bytes(i, 8))));
    }

    [Fact]
    public async Task WriteAsync_TransfersStayPosted_EveryOutGoesThrough()
    {
        VirtualClock clock = new();
        using SimulatedDock dock = new(Options(clock, replies: 2, fifo: 2));
        using SeamHost host = new(dock.Endpoint, transfers: 4);
        host.SubmitAll();
        host.OnComplete = slot => host.Submit(slot);

        for (int i = 0; i < 100; i++)
        {
            Assert.True(await dock.WriteAsync(new byte[16], TimeSpan.FromSeconds(5)));
            clock.Advance(TimeSpan.FromMicroseconds(125));
        }

        Assert.Equal((100L, 200L, 200L), (dock.OutsAccepted, dock.RepliesProduced, dock.RepliesDelivered));
        Assert.Equal(3, dock.DepthHistory.Skip(5).Min(d => d.Posted));
        host.OnComplete = null;
    }

    [Fact]
    public async Task WriteAsync_ReplyDelay_AnswersWhenItsTimeHasCome()
    {
        VirtualClock clock = new();
        using SimulatedDock dock = new(Options(clock, replies: 1, fifo: 2) with { ReplyDelay = TimeSpan.FromMilliseconds(3) });
        using SeamHost host = new(dock.Endpoint);
        host.SubmitAll();
        await dock.WriteAsync(new byte[16]);

        clock.Advance(TimeSpan.FromMilliseconds(2.9));
        Assert.Empty(host.Completions);
        clock.Advance(TimeSpan.FromMilliseconds(0.1));
        Assert.Single(host.Completions);
    }

    [Fact]
    public async Task WriteAsync_LimitInBytes_HoldsLargeRepliesBack()
    {
        VirtualClock clock = new();
        using SimulatedDock dock = new(Options(clock, replies: 1, fifo: 10) with { FifoBytes = 64 });
        using SeamHost host = new(dock.Endpoint);
        await dock.WriteAsync(new byte[16]);
        await dock.WriteAsync(new byte[16]);
        Task third = dock.WriteAsync(new byte[16]);

        Assert.False(third.IsCompleted);
        host.Submit(0);
        await third.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task WriteAsync_CancelledWhileNaked_IsWithdrawnAndTheNextGoesOn()
    {
        VirtualClock clock = new();
        using SimulatedDock dock = new(Options(clock, replies: 1, fifo: 1));
        using SeamHost host = new(dock.Endpoint, transfers: 2);
        await dock.WriteAsync(new byte[16]);
        using CancellationTokenSource stop = new();
        Task withdrawn = dock.WriteAsync(new byte[16], stop.Token);
        Task third = dock.WriteAsync(new byte[16], CancellationToken.None);

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => withdrawn);
        host.SubmitAll();
        await third.WaitAsync(TimeSpan.FromSeconds(10));

        Assert.Equal(2, dock.OutsAccepted);
        Assert.Equal(3, BinaryPrimitives.ReadInt64LittleEndian(host.Bytes(1, 8)));
    }

    [Fact]
    public async Task WriteAsync_RepliesFunctionThrows_ReachesTheWriterAndBlocksNobody()
    {
        VirtualClock clock = new();
        using SimulatedDock dock = new(Options(clock, replies: 1, fifo: 2) with
        {
            Replies = static (number, _) => number == 1 ? throw new InvalidDataException("from the test") : [],
        });

        await Assert.ThrowsAsync<InvalidDataException>(() => dock.WriteAsync(new byte[1]));
        await dock.WriteAsync(new byte[1]).WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task WriteAsync_Unplugged_FailsThoseThatWaitAndThoseAfter()
    {
        VirtualClock clock = new();
        using SimulatedDock dock = new(Options(clock, replies: 1, fifo: 1));
        await dock.WriteAsync(new byte[16]);
        Task waiting = dock.WriteAsync(new byte[16]);

        dock.Endpoint.Unplug();

        await Assert.ThrowsAsync<IOException>(() => waiting);
        await Assert.ThrowsAsync<IOException>(() => dock.WriteAsync(new byte[16]));
        dock.Push([1]);
        Assert.Equal(1, dock.OutsAccepted);
    }

    [Fact]
    public void Dock_EndpointWithALimitOfItsOwn_IsRefused()
    {
        SimulatedDockOptions options = new() { Endpoint = new SimulatedEndpointOptions { FifoCapacity = 1 } };
        Assert.Throws<ArgumentException>(() => new SimulatedDock(options));
    }

    [Fact]
    public void Push_Unasked_TakesItsTurnInTheFifo()
    {
        VirtualClock clock = new();
        using SimulatedDock dock = new(Options(clock, replies: 1, fifo: 1));
        using SeamHost host = new(dock.Endpoint, transfers: 2);
        dock.Push([1]);
        dock.Push([2, 2]);
        Assert.Equal(1, dock.Diagnose().BlockedReplies);

        host.SubmitAll();

        Assert.Equal([1, 2], host.Completions.Select(c => c.Length));
    }

    [Fact]
    public async Task ReadAsync_Timeout_CancelsAndAnswersNull()
    {
        VirtualClock clock = new();
        using SimulatedDock dock = new(Options(clock, replies: 1, fifo: 1));
        using OneAtATimeReader reader = new(dock.Endpoint.Backend, 1024, clock);
        byte[] reply = new byte[64];

        Task<int?> read = reader.ReadAsync(reply, TimeSpan.FromSeconds(1));
        await Assert.ThrowsAsync<InvalidOperationException>(() => reader.ReadAsync(reply, TimeSpan.FromSeconds(1)));
        Assert.Equal(1, dock.Endpoint.Posted);
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(await read);
        Assert.Equal(0, dock.Endpoint.Posted);

        dock.Endpoint.Unplug();
        await Assert.ThrowsAsync<IOException>(() => reader.ReadAsync(reply, TimeSpan.FromSeconds(1)));
    }

    private static SimulatedDockOptions Options(TimeProvider clock, int replies, int fifo)
    {
        SimulatedDockOptions defaults = new();
        return defaults with
        {
            Endpoint = defaults.Endpoint with { TimeProvider = clock },
            FifoReplies = fifo,
            Replies = (number, _) => [.. Enumerable.Range(0, replies).Select(_ =>
            {
                byte[] reply = new byte[32];
                BinaryPrimitives.WriteInt64LittleEndian(reply, number);
                return new ReadOnlyMemory<byte>(reply);
            })],
        };
    }

    [Theory]
    [InlineData(2, 3L, "OUT 3 is NAKed: reply FIFO full (2 of 2 replies, 64 bytes), 1 IN transfer posted.")]
    [InlineData(1, 3L, "OUT 3 is NAKed: reply FIFO (1 of 2 replies, 64 bytes), 1 IN transfer posted.")]
    [InlineData(2, null, "No OUT waits: reply FIFO full (2 of 2 replies, 64 bytes), 1 IN transfer posted.")]
    public void Diagnosis_AsText_SaysFullOnlyOfAFullFifo(int replies, long? waitingOut, string expected) =>
        Assert.Equal(expected, new SimulatedDockDiagnosis(waitingOut, replies, Capacity: 2, WaitingBytes: 64, BlockedReplies: 0, Posted: 1).ToString());
}
