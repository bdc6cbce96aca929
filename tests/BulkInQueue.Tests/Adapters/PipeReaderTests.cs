using System.Buffers;
using System.IO.Pipelines;
using BulkIn.Backends;
using Xunit;

namespace BulkIn.Adapters;

/// <summary>What this PipeReader has beyond what every one promises (<see cref="PipeReaderConformance"/>): leases, posted depth, faults, misuse.</summary>
public class PipeReaderTests : QueueTest, IAsyncLifetime
{
    private readonly List<PipeReader> _pipes = [];

    async Task IAsyncLifetime.DisposeAsync()
    {
        foreach (PipeReader pipe in _pipes)
        {
            await pipe.CompleteAsync();
        }

        await DisposeAsync();
    }

    // ---- Reading and advancing. ----

    [Fact]
    public async Task ReadAsync_DataReady_IsTheTransfersOwnMemory()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1, 2, 3]);
        using (BulkInLease lease = await queue.LeaseAsync().InTime())
        {
            Assert.Equal(3, lease.Length);
        }

        PipeReader pipe = Pipe(queue);
        Device.Deliver([4, 5]);
        ReadResult read = await pipe.ReadAsync().InTime();

        Assert.Equal((false, false), (read.IsCanceled, read.IsCompleted));
        Assert.Equal([4, 5], read.Buffer.ToArray());
        Assert.Equal(1, queue.Statistics.Leases);
        pipe.AdvanceTo(read.Buffer.End);
        Assert.Equal(0, queue.Statistics.Leases);
        await pipe.CompleteAsync();
    }

    [Fact]
    public async Task AdvanceTo_NothingConsumedAllExamined_NextReadHasMoreSegments()
    {
        PipeReader pipe = Pipe(Open());
        Device.Deliver([1, 2]);
        ReadResult first = await pipe.ReadAsync().InTime();
        pipe.AdvanceTo(first.Buffer.Start, first.Buffer.End);
        ValueTask<ReadResult> second = pipe.ReadAsync();
        Assert.False(second.IsCompleted, "Everything was examined, so the read must wait for more.");

        Device.Deliver([3]);
        ReadResult both = await second.InTime();

        Assert.Equal([1, 2, 3], both.Buffer.ToArray());
        Assert.False(both.Buffer.IsSingleSegment);
    }

    [Fact]
    public async Task AdvanceTo_ExaminedBeforeConsumed_Throws()
    {
        PipeReader pipe = Pipe(Open());
        Device.Deliver([1, 2, 3]);
        ReadResult read = await pipe.ReadAsync().InTime();

        Assert.Throws<InvalidOperationException>(() => pipe.AdvanceTo(read.Buffer.End, read.Buffer.Start));
        pipe.AdvanceTo(read.Buffer.End);
    }

    [Fact]
    public async Task AdvanceTo_PositionOfAnotherBuffer_Throws()
    {
        PipeReader pipe = Pipe(Open());
        Device.Deliver([1, 2, 3]);
        ReadResult read = await pipe.ReadAsync().InTime();

        Assert.Throws<InvalidOperationException>(() => pipe.AdvanceTo(new ReadOnlySequence<byte>([1]).End));
        Assert.Throws<InvalidOperationException>(() => pipe.AdvanceTo(read.Buffer.Start, new ReadOnlySequence<byte>([1]).End));
        Assert.Throws<InvalidOperationException>(() => pipe.AdvanceTo(new SequencePosition(read.Buffer.Start.GetObject(), 4)));

        // None of them did anything.
        pipe.AdvanceTo(read.Buffer.Start);
        Assert.Equal([1, 2, 3], (await pipe.ReadAsync().InTime()).Buffer.ToArray());
    }

    [Fact]
    public void AdvanceTo_WithoutARead_Throws()
    {
        PipeReader pipe = Pipe(Open());

        Assert.Throws<InvalidOperationException>(() => pipe.AdvanceTo(default));
    }

    [Fact]
    public async Task AdvanceTo_BetweenTwoSegments_EitherFormOfThePositionIsTheSame()
    {
        PipeReader pipe = Pipe(Open());
        Device.Deliver([1, 2]);
        ReadResult first = await pipe.ReadAsync().InTime();
        pipe.AdvanceTo(first.Buffer.Start, first.Buffer.End);
        Device.Deliver([3]);
        ReadResult both = await pipe.ReadAsync().InTime();
        SequencePosition start = both.Buffer.Start;
        SequencePosition endOfFirst = new(start.GetObject(), 2);

        pipe.AdvanceTo(both.Buffer.GetPosition(2), endOfFirst);

        Assert.Equal([3], (await pipe.ReadAsync().InTime()).Buffer.ToArray());
    }

    [Fact]
    public async Task ReadAsync_NotAdvanced_Throws()
    {
        PipeReader pipe = Pipe(Open());
        Device.Deliver([1]);
        _ = await pipe.ReadAsync().InTime();

        await Assert.ThrowsAsync<InvalidOperationException>(() => pipe.ReadAsync().InTime());
        Assert.Throws<InvalidOperationException>(() => pipe.TryRead(out _));
    }

    [Fact]
    public async Task ReadAsync_WhileAnotherWaits_ThrowsAndLeavesTheFirst()
    {
        PipeReader pipe = Pipe(Open());
        ValueTask<ReadResult> first = pipe.ReadAsync();

        await Assert.ThrowsAsync<InvalidOperationException>(() => pipe.ReadAsync().InTime());

        Device.Deliver([1]);
        Assert.Equal(1, (await first.InTime()).Buffer.Length);
    }

    [Fact]
    public async Task ReadAsync_ZeroLengthPackets_AreNeitherDataNorEnd()
    {
        BulkInQueue queue = Open();
        PipeReader pipe = Pipe(queue);
        Device.Deliver([]);
        Device.Deliver([]);
        ValueTask<ReadResult> read = pipe.ReadAsync();
        Assert.False(read.IsCompleted, "A pipe must not answer an empty buffer.");

        Device.Deliver([]);
        Device.Deliver([1]);

        ReadResult result = await read.InTime();
        Assert.Equal([1], result.Buffer.ToArray());
        Assert.True(result.Buffer.IsSingleSegment);
        Assert.Equal(1, queue.Statistics.Leases);
    }

    // ---- TryRead. ----

    [Fact]
    public async Task TryRead_NothingThenData_FalseThenTrue()
    {
        PipeReader pipe = Pipe(Open());
        Assert.False(pipe.TryRead(out ReadResult nothing));
        Assert.Equal(0, nothing.Buffer.Length);
        Device.Deliver([]);
        Assert.False(pipe.TryRead(out _), "A zero-length packet is no data.");

        Device.Deliver([1, 2]);

        Assert.True(pipe.TryRead(out ReadResult read));
        Assert.Equal([1, 2], read.Buffer.ToArray());
        pipe.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        Assert.False(pipe.TryRead(out _), "Everything was examined.");
        Device.Deliver([3]);
        Assert.Equal([1, 2, 3], (await pipe.ReadAsync().InTime()).Buffer.ToArray());
    }

    [Fact]
    public void TryRead_Fault_ThrowsItAndThenTheBytesBeforeIt()
    {
        PipeReader pipe = Pipe(Open(Defaults with { Recovery = BulkInRecovery.Manual }));
        Device.Deliver([1, 2]);
        Assert.True(pipe.TryRead(out ReadResult read));
        pipe.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        Device.Stall();

        BulkInException? fault = null;
        Assert.True(
            SpinWait.SpinUntil(
                () =>
                {
                    fault = Record.Exception(() => pipe.TryRead(out _)) as BulkInException;
                    return fault is not null;
                },
                TimeSpan.FromSeconds(30)),
            "The fault did not surface.");

        Assert.Equal(BulkInError.Stall, fault!.Error);
        Assert.True(pipe.TryRead(out ReadResult rest));
        Assert.Equal([1, 2], rest.Buffer.ToArray());
    }

    // ---- Cancellation. ----

    [Fact]
    public async Task CancelPendingRead_WithDataThere_AnswersBoth()
    {
        PipeReader pipe = Pipe(Open());
        Device.Deliver([1, 2]);
        ReadResult first = await pipe.ReadAsync().InTime();
        pipe.AdvanceTo(first.Buffer.GetPosition(1));
        pipe.CancelPendingRead();

        Assert.True(pipe.TryRead(out ReadResult canceled));

        Assert.True(canceled.IsCanceled);
        Assert.Equal([2], canceled.Buffer.ToArray());
        pipe.AdvanceTo(canceled.Buffer.Start);
        Assert.True(pipe.TryRead(out ReadResult next));
        Assert.False(next.IsCanceled);
    }

    [Fact]
    public async Task CancelPendingRead_RacingWithData_LosesNeither()
    {
        PipeReader pipe = Pipe(Open());
        int canceledReads = 0;
        long bytes = 0;
        for (int i = 0; i < 2000; i++)
        {
            ValueTask<ReadResult> read = pipe.ReadAsync();
            Task cancel = Task.Run(pipe.CancelPendingRead);
            Device.Deliver([(byte)i]);
            ReadResult result = await read.InTime();
            await cancel;
            canceledReads += result.IsCanceled ? 1 : 0;
            bytes += result.Buffer.Length;
            pipe.AdvanceTo(result.Buffer.End);

            // What one of the two did not end, it left for the next read.
            while (pipe.TryRead(out ReadResult left))
            {
                canceledReads += left.IsCanceled ? 1 : 0;
                bytes += left.Buffer.Length;
                pipe.AdvanceTo(left.Buffer.End);
            }
        }

        Assert.Equal((2000, 2000L), (canceledReads, bytes));
    }

    // ---- The end. ----

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ReadAsync_StopOrUnplug_CompletesAfterWhatHadArrived(bool unplug)
    {
        BulkInQueue queue = Open();
        PipeReader pipe = Pipe(queue);
        Device.Deliver([1]);
        Device.Deliver([2]);
        if (unplug)
        {
            Device.Unplug();
        }
        else
        {
            await queue.StopAsync().InTime();
        }

        List<byte> seen = [];
        ReadResult read;
        do
        {
            read = await pipe.ReadAsync().InTime();
            seen.AddRange(read.Buffer.ToArray());
            pipe.AdvanceTo(read.Buffer.End);
        }
        while (!read.IsCompleted);

        Assert.Equal([1, 2], seen);
        Assert.True(pipe.TryRead(out ReadResult again));
        Assert.True(again.IsCompleted);
    }

    [Fact]
    public async Task ReadAsync_QueueDisposedOf_Throws()
    {
        BulkInQueue queue = Open();
        PipeReader pipe = Pipe(queue);
        ValueTask<ReadResult> read = pipe.ReadAsync();

        await queue.DisposeAsync().InTime();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => read.InTime());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => pipe.ReadAsync().InTime());
        await pipe.CompleteAsync();
    }

    [Fact]
    public async Task ReadAsync_RecoverableFault_ThrowsThenTheBytesBeforeThenGoesOn()
    {
        PipeReader pipe = Pipe(Open());
        Device.Deliver([1, 2]);
        ReadResult first = await pipe.ReadAsync().InTime();
        pipe.AdvanceTo(first.Buffer.Start, first.Buffer.End);
        ValueTask<ReadResult> read = pipe.ReadAsync();
        Device.Stall();

        BulkInException fault = await Assert.ThrowsAsync<BulkInException>(() => read.InTime());

        Assert.True(fault.RecoversByItself);
        Assert.True(pipe.TryRead(out ReadResult rest));
        Assert.Equal([1, 2], rest.Buffer.ToArray());
        pipe.AdvanceTo(rest.Buffer.End);
        Device.Deliver([3]);
        Assert.Equal([3], (await pipe.ReadAsync().InTime()).Buffer.ToArray());
    }

    // ---- Complete. ----

    [Fact]
    public async Task Complete_WithUnconsumedBytes_ReturnsBuffersAndTheQueue()
    {
        BulkInQueue queue = Open();
        PipeReader pipe = Pipe(queue);
        Device.Deliver([1, 2, 3]);
        ReadResult read = await pipe.ReadAsync().InTime();
        pipe.AdvanceTo(read.Buffer.GetPosition(1));

        await pipe.CompleteAsync(new InvalidOperationException("The parser gave up."));
        await pipe.CompleteAsync();

        Assert.Equal(0, queue.Statistics.Leases);
        Assert.Equal(2, queue.Statistics.BytesDiscarded);
        Assert.Throws<InvalidOperationException>(() => pipe.AdvanceTo(default));
        Assert.Throws<InvalidOperationException>(() => pipe.TryRead(out _));
        await Assert.ThrowsAsync<InvalidOperationException>(() => pipe.ReadAsync().InTime());
        Device.Deliver([4]);
        Assert.Equal([4], await ReceiveAsync(queue));
    }

    [Fact]
    public async Task Complete_DuringARead_EndsItAndReturnsTheQueue()
    {
        BulkInQueue queue = Open();
        PipeReader pipe = Pipe(queue);
        Device.Deliver([1]);
        ReadResult first = await pipe.ReadAsync().InTime();
        pipe.AdvanceTo(first.Buffer.Start, first.Buffer.End);
        ValueTask<ReadResult> read = pipe.ReadAsync();

        pipe.Complete();

        await Assert.ThrowsAsync<InvalidOperationException>(() => read.InTime());
        Assert.Equal(0, queue.Statistics.Leases);
        Device.Deliver([2]);
        Assert.Equal([2], await ReceiveAsync(queue));
    }

    // ---- Base class members built on these. ----

    [Fact]
    public async Task CopyToAsync_UntilTheStop_CopiesEverything()
    {
        BulkInQueue queue = Open();
        PipeReader pipe = Pipe(queue);
        byte[] bytes = Bytes(20_000);
        using MemoryStream copy = new();
        Task copying = pipe.CopyToAsync(copy);

        Device.Deliver(bytes);
        await Device.WaitUntilAsync(d => d.WaitingBytes == 0);
        await queue.StopAsync().InTime();

        await copying.InTime();
        Assert.Equal(bytes, copy.ToArray());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task CopyToAsync_TheStreamThrows_WhatWasNotWrittenIsStillThere(int writes)
    {
        BulkInQueue queue = Open(Defaults with { SpareBuffers = 4 });
        PipeReader pipe = Pipe(queue);
        ReadResult read = default;
        for (byte i = 1; i <= 3; i++)
        {
            Device.Deliver([i, i]);
            read = await pipe.ReadAsync().InTime();
            pipe.AdvanceTo(read.Buffer.Start, i < 3 ? read.Buffer.End : read.Buffer.Start);
        }

        FailingStream failing = new(writes);
        await Assert.ThrowsAsync<InvalidDataException>(() => pipe.CopyToAsync(failing).InTime());

        Assert.Equal(2 * writes, failing.Bytes);
        Assert.Equal(3 - writes, queue.Statistics.Leases);
        byte[] rest = [.. new byte[] { 1, 1, 2, 2, 3, 3 }.Skip(failing.Bytes)];
        Assert.Equal(rest, (await pipe.ReadAsync().InTime()).Buffer.ToArray());
    }

    [Fact]
    public async Task AsStream_OfTheReader_ReadsToTheEnd()
    {
        BulkInQueue queue = Open();
        await using Stream stream = Pipe(queue).AsStream();
        Device.Deliver([]);
        Device.Deliver([1, 2, 3]);
        await queue.StopAsync().InTime();
        using MemoryStream copy = new();

        await stream.CopyToAsync(copy).InTime();

        Assert.Equal([1, 2, 3], copy.ToArray());
    }

    // ---- More than the buffers hold; posted depth. ----

    [Theory]
    [InlineData(1, 0)]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(4, 2)]
    [InlineData(4, 8)]
    public async Task ReadAtLeastAsync_MoreThanAllBuffersHold_DoesNotDeadlock(int depth, int spares)
    {
        BulkInQueue queue = Open(Defaults with { Depth = depth, SpareBuffers = spares });
        PipeReader pipe = Pipe(queue);
        byte[] bytes = Bytes(100_001);
        Device.Deliver(bytes);

        ReadResult read = await pipe.ReadAtLeastAsync(bytes.Length).InTime();

        Assert.Equal(bytes, read.Buffer.ToArray());
        pipe.AdvanceTo(read.Buffer.End);
        Assert.Equal(0, queue.Statistics.Leases);
        Assert.Equal(depth, Device.Posted);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public async Task ReadAsync_UnconsumedBytesLeft_KeepsEverySlotPosted(int spares)
    {
        BulkInQueue queue = Open(Defaults with { SpareBuffers = spares });
        PipeReader pipe = Pipe(queue);
        for (byte i = 0; i < 20; i++)
        {
            Device.Deliver([i]);
            ReadResult read = await pipe.ReadAsync().InTime();
            Assert.Equal(i + 1, read.Buffer.Length);
            Assert.Equal(4, Device.Posted);
            pipe.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }

        Assert.Equal(0, Device.Starvations);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task ReadAsync_RandomMessagesAndSteps_KeepsEveryByteInOrder(int spares)
    {
        BulkInQueue queue = Open(Defaults with { SpareBuffers = spares });
        PipeReader pipe = Pipe(queue);
        Random random = new(20261123 + spares);
        byte sent = 0;
        byte expected = 0;
        int unexamined = 0;
        for (int i = 0; i < 3000; i++)
        {
            byte[] message = new byte[random.Next(4) == 0 ? random.Next(5000) : random.Next(20)];
            for (int k = 0; k < message.Length; k++)
            {
                message[k] = sent++;
            }

            Device.Deliver(message, zeroLengthPacket: random.Next(2) == 0);
            while (pipe.TryRead(out ReadResult read))
            {
                long consumed = random.Next(3) == 0 ? 0 : random.NextInt64(read.Buffer.Length + 1);
                byte value = expected;
                foreach (ReadOnlyMemory<byte> segment in read.Buffer)
                {
                    foreach (byte b in segment.Span)
                    {
                        Assert.Equal(value++, b);
                    }
                }

                bool all = random.Next(5) > 0 || ++unexamined % 7 == 0;
                SequencePosition position = read.Buffer.GetPosition(consumed);
                pipe.AdvanceTo(position, all ? read.Buffer.End : position);
                expected = (byte)(expected + consumed);
                if (!all && consumed == 0)
                {
                    break;
                }
            }
        }

        await pipe.CompleteAsync();
        Assert.Equal(0, queue.Statistics.Leases);
    }

    [Fact]
    public async Task Complete_WhileTheParserAdvances_ComesAfterTheAdvance()
    {
        BulkInQueue queue = Open(Defaults with { SpareBuffers = 3 });
        PipeReader pipe = Pipe(queue);
        Device.Submits.Next(new BackendResult(BackendStatus.NoMemory), times: 2);
        Device.Deliver([1]);
        Device.Deliver([2]);
        ReadResult read = await pipe.ReadAsync().InTime();
        pipe.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        read = await pipe.ReadAsync().InTime();
        Assert.Equal((2L, 2), (read.Buffer.Length, queue.Statistics.Leases));

        // Inside the advance: the first buffer that goes back is posted at once, because a slot waited for memory.
        bool completed = false;
        Device.Hooks.Submitting = _ =>
        {
            if (!completed)
            {
                completed = true;
                pipe.Complete();
            }
        };
        pipe.AdvanceTo(read.Buffer.End);
        Device.Hooks.Submitting = null;

        Assert.True(completed, "The window was not reached.");
        Assert.Equal((0, 0L), (queue.Statistics.Leases, queue.Statistics.BytesDiscarded));
        Device.Deliver([3]);
        Assert.Equal([3], await ReceiveAsync(queue));
    }

    /// <summary>A reader that the end of the test completes: until then it holds leases, which would count as leaks.</summary>
    private PipeReader Pipe(BulkInQueue queue)
    {
        PipeReader pipe = queue.AsPipeReader();
        _pipes.Add(pipe);
        return pipe;
    }

    private static byte[] Bytes(int length)
    {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++)
        {
            bytes[i] = (byte)(i * 7 / 3);
        }

        return bytes;
    }
}
