using System.Buffers;
using System.IO.Pipelines;
using Xunit;

namespace BulkIn.Adapters;

/// <summary>
/// What every PipeReader promises. The same cases run on the framework's own readers and on the queue's, so that a case that asks too much fails there first.
/// Misuse that the framework's two do not both notice is in <see cref="PipeReaderTests"/>.
/// </summary>
public abstract class PipeReaderConformance : IAsyncLifetime
{
    /// <summary>The reader under test.</summary>
    protected abstract PipeReader Reader { get; }

    public virtual Task InitializeAsync() => Task.CompletedTask;

    public abstract Task DisposeAsync();

    /// <summary>The other side writes these bytes, so that the reader can have them.</summary>
    protected abstract Task SendAsync(params byte[] bytes);

    /// <summary>The other side has no more.</summary>
    protected abstract Task EndAsync();

    // ---- Reading and advancing. ----

    [Fact]
    public async Task ReadAsync_DataThere_AnswersIt()
    {
        await SendAsync(1, 2, 3);

        ReadResult read = await Reader.ReadAsync().InTime();

        Assert.Equal((false, false), (read.IsCanceled, read.IsCompleted));
        Assert.True(read.Buffer.IsSingleSegment);
        Assert.Equal([1, 2, 3], read.Buffer.ToArray());
        Reader.AdvanceTo(read.Buffer.End);
    }

    [Fact]
    public async Task ReadAsync_NothingThere_WaitsForData()
    {
        ValueTask<ReadResult> read = Reader.ReadAsync();
        Assert.False(read.IsCompleted, "Nothing was sent.");

        await SendAsync(1);

        Assert.Equal([1], (await read.InTime()).Buffer.ToArray());
    }

    [Fact]
    public async Task AdvanceTo_EverythingConsumed_TheNextReadWaits()
    {
        for (byte i = 0; i < 3; i++)
        {
            ValueTask<ReadResult> read = Reader.ReadAsync();
            Assert.False(read.IsCompleted, "Everything before was consumed.");
            await SendAsync(i, i);
            ReadResult result = await read.InTime();
            Assert.Equal([i, i], result.Buffer.ToArray());
            Reader.AdvanceTo(result.Buffer.End);
        }
    }

    [Fact]
    public async Task AdvanceTo_NothingConsumedEverythingExamined_TheNextReadWaitsAndAnswersBoth()
    {
        await SendAsync(1, 2);
        ReadResult first = await Reader.ReadAsync().InTime();
        Reader.AdvanceTo(first.Buffer.Start, first.Buffer.End);
        ValueTask<ReadResult> second = Reader.ReadAsync();
        Assert.False(second.IsCompleted, "Everything was examined, so the read must wait for more.");

        await SendAsync(3);

        Assert.Equal([1, 2, 3], (await second.InTime()).Buffer.ToArray());
    }

    [Fact]
    public async Task AdvanceTo_PartConsumedEverythingExamined_TheNextReadAnswersTheRestAndMore()
    {
        await SendAsync(1, 2, 3, 4);
        ReadResult first = await Reader.ReadAsync().InTime();
        Reader.AdvanceTo(first.Buffer.GetPosition(3), first.Buffer.End);
        ValueTask<ReadResult> second = Reader.ReadAsync();
        Assert.False(second.IsCompleted, "Everything was examined, so the read must wait for more.");

        await SendAsync(5, 6);

        Assert.Equal([4, 5, 6], (await second.InTime()).Buffer.ToArray());
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 2)]
    [InlineData(1, 1)]
    [InlineData(1, 3)]
    [InlineData(3, 3)]
    public async Task AdvanceTo_NotEverythingExamined_TheNextReadAnswersAtOnce(int consumed, int examined)
    {
        await SendAsync(1, 2, 3, 4);
        ReadResult first = await Reader.ReadAsync().InTime();

        Reader.AdvanceTo(first.Buffer.GetPosition(consumed), first.Buffer.GetPosition(examined));
        ValueTask<ReadResult> rest = Reader.ReadAsync();

        Assert.True(rest.IsCompletedSuccessfully, "Bytes that were not examined are there to read.");
        Assert.Equal(new byte[] { 1, 2, 3, 4 }[consumed..], (await rest).Buffer.ToArray());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public async Task AdvanceTo_IntoALaterSegment_KeepsTheRest(int consumed)
    {
        ReadResult all = await ReadSeparatelyAsync([1, 2], [3, 4], [5, 6]);

        Reader.AdvanceTo(all.Buffer.GetPosition(consumed), all.Buffer.End);
        await SendAsync(7);

        Assert.Equal(new byte[] { 1, 2, 3, 4, 5, 6, 7 }[consumed..], await ReadUntilAsync(7 - consumed));
    }

    [Fact]
    public async Task AdvanceTo_ManyPartsUnconsumed_TheNextReadAnswersThemAndMore()
    {
        byte[][] parts = Parts(20);

        ReadResult all = await ReadSeparatelyAsync(parts);

        Reader.AdvanceTo(all.Buffer.End);
        await SendAsync(1);
        Assert.Equal([1], (await Reader.ReadAsync().InTime()).Buffer.ToArray());
    }

    [Fact]
    public async Task AdvanceTo_Twice_Throws()
    {
        await SendAsync(1, 2, 3);
        ReadResult read = await Reader.ReadAsync().InTime();
        Reader.AdvanceTo(read.Buffer.End);

        Assert.Throws<InvalidOperationException>(() => Reader.AdvanceTo(read.Buffer.End));
    }

    [Fact]
    public async Task AdvanceTo_PositionOfAnEarlierRead_Throws()
    {
        await SendAsync(1, 2, 3);
        SequencePosition old = (await Reader.ReadAsync().InTime()).Buffer.End;
        Reader.AdvanceTo(old);
        Reader.CancelPendingRead();
        ReadResult empty = await Reader.ReadAsync().InTime();

        Assert.Throws<InvalidOperationException>(() => Reader.AdvanceTo(old));

        Reader.AdvanceTo(empty.Buffer.End);
        await SendAsync(4);
        Assert.Equal([4], (await Reader.ReadAsync().InTime()).Buffer.ToArray());
    }

    [Fact]
    public async Task TryRead_NothingThere_False()
    {
        Assert.False(Reader.TryRead(out ReadResult nothing));
        Assert.Equal((0L, false, false), (nothing.Buffer.Length, nothing.IsCanceled, nothing.IsCompleted));

        await SendAsync(1);
        Assert.Equal([1], (await Reader.ReadAsync().InTime()).Buffer.ToArray());
    }

    [Fact]
    public async Task TryRead_BufferedBytes_TrueUntilAllAreExamined()
    {
        await SendAsync(1, 2, 3);
        ReadResult first = await Reader.ReadAsync().InTime();
        Reader.AdvanceTo(first.Buffer.Start, first.Buffer.GetPosition(1));

        Assert.True(Reader.TryRead(out ReadResult again));
        Assert.Equal([1, 2, 3], again.Buffer.ToArray());
        Reader.AdvanceTo(again.Buffer.Start, again.Buffer.End);
        Assert.False(Reader.TryRead(out _));
    }

    [Fact]
    public async Task ReadAsync_Continuation_HasItsCallersExecutionContext()
    {
        AsyncLocal<int> local = new() { Value = 10 };
        Task<int> reading = ReadAsync();
        local.Value = 20;

        await SendAsync(1);

        Assert.Equal(10, await reading.InTime());

        async Task<int> ReadAsync()
        {
            _ = await Reader.ReadAsync();
            return local.Value;
        }
    }

    // ---- CancelPendingRead and tokens. ----

    [Fact]
    public async Task CancelPendingRead_BeforeTheRead_EndsOneAtOnce()
    {
        for (int i = 0; i < 3; i++)
        {
            Reader.CancelPendingRead();
            ValueTask<ReadResult> read = Reader.ReadAsync();
            Assert.True(read.IsCompletedSuccessfully, "It was cancelled before.");
            ReadResult canceled = await read;
            Assert.Equal((true, false, 0L), (canceled.IsCanceled, canceled.IsCompleted, canceled.Buffer.Length));
            Reader.AdvanceTo(canceled.Buffer.End);
        }

        ValueTask<ReadResult> next = Reader.ReadAsync();
        Assert.False(next.IsCompleted, "One request, one canceled read.");
        await SendAsync(1);
        Assert.False((await next.InTime()).IsCanceled);
    }

    [Fact]
    public async Task CancelPendingRead_DuringTheRead_EndsItAndTheNextGoesOn()
    {
        ValueTask<ReadResult> read = Reader.ReadAsync();

        Reader.CancelPendingRead();

        ReadResult canceled = await read.InTime();
        Assert.Equal((true, false, 0L), (canceled.IsCanceled, canceled.IsCompleted, canceled.Buffer.Length));
        Reader.AdvanceTo(canceled.Buffer.End);
        await SendAsync(1, 2);
        ReadResult next = await Reader.ReadAsync().InTime();
        Assert.False(next.IsCanceled);
        Assert.Equal([1, 2], next.Buffer.ToArray());
    }

    [Fact]
    public async Task CancelPendingRead_BeforeAdvanceTo_CancelsTheNextRead()
    {
        await SendAsync(1, 2);
        ReadResult read = await Reader.ReadAsync().InTime();
        Reader.CancelPendingRead();
        Assert.False(read.IsCanceled);
        Reader.AdvanceTo(read.Buffer.End);

        ReadResult canceled = await Reader.ReadAsync().InTime();

        Assert.True(canceled.IsCanceled);
        Reader.AdvanceTo(canceled.Buffer.Start, canceled.Buffer.Start);
        await SendAsync(3);
        Assert.Equal([3], (await Reader.ReadAsync().InTime()).Buffer.ToArray());
    }

    [Fact]
    public async Task CancelPendingRead_WithUnconsumedBytes_AnswersThem()
    {
        await SendAsync(1, 2);
        ReadResult first = await Reader.ReadAsync().InTime();
        Reader.AdvanceTo(first.Buffer.Start, first.Buffer.End);
        ValueTask<ReadResult> read = Reader.ReadAsync();

        Reader.CancelPendingRead();

        ReadResult canceled = await read.InTime();
        Assert.True(canceled.IsCanceled);
        Assert.Equal([1, 2], canceled.Buffer.ToArray());
        Reader.AdvanceTo(canceled.Buffer.Start, canceled.Buffer.End);
        await SendAsync(3);
        Assert.Equal([1, 2, 3], (await Reader.ReadAsync().InTime()).Buffer.ToArray());
    }

    [Fact]
    public async Task CancelPendingRead_ThenTryRead_TrueAndCanceled()
    {
        Reader.CancelPendingRead();

        Assert.True(Reader.TryRead(out ReadResult canceled));
        Assert.True(canceled.IsCanceled);
        Reader.AdvanceTo(canceled.Buffer.End);
        Assert.False(Reader.TryRead(out _), "One request, one canceled read.");

        await SendAsync(1);
        Assert.Equal([1], (await Reader.ReadAsync().InTime()).Buffer.ToArray());
    }

    [Fact]
    public async Task ReadAsync_AfterACanceledOne_NeedsNoAdvance()
    {
        await SendAsync(1);
        for (int i = 0; i < 3; i++)
        {
            Reader.CancelPendingRead();
            Assert.True((await Reader.ReadAsync().InTime()).IsCanceled);
        }

        ReadResult read = await Reader.ReadAsync().InTime();
        Assert.False(read.IsCanceled);
        Assert.Equal([1], read.Buffer.ToArray());
        Reader.AdvanceTo(read.Buffer.End);
    }

    [Fact]
    public async Task ReadAsync_TokenCancelledBefore_IsACanceledTask()
    {
        using CancellationTokenSource cancel = new();
        await cancel.CancelAsync();

        OperationCanceledException canceled = await Assert.ThrowsAsync<TaskCanceledException>(() => Reader.ReadAsync(cancel.Token).InTime());

        Assert.Equal(cancel.Token, canceled.CancellationToken);
        await SendAsync(1);
        Assert.Equal([1], (await Reader.ReadAsync().InTime()).Buffer.ToArray());
    }

    [Fact]
    public async Task ReadAsync_TokenCancelledDuring_ThrowsWithIt()
    {
        using CancellationTokenSource cancel = new();
        ValueTask<ReadResult> read = Reader.ReadAsync(cancel.Token);
        Assert.False(read.IsCompleted, "Nothing was sent.");

        await cancel.CancelAsync();

        OperationCanceledException canceled = await Assert.ThrowsAsync<OperationCanceledException>(() => read.InTime());
        Assert.Equal(cancel.Token, canceled.CancellationToken);
        await SendAsync(1);
        Assert.Equal([1], (await Reader.ReadAsync().InTime()).Buffer.ToArray());
    }

    [Fact]
    public async Task ReadAsync_TokenCancelledDuringWithUnconsumedBytes_KeepsThem()
    {
        await SendAsync(1);
        ReadResult first = await Reader.ReadAsync().InTime();
        Reader.AdvanceTo(first.Buffer.Start, first.Buffer.End);
        using CancellationTokenSource cancel = new();
        ValueTask<ReadResult> read = Reader.ReadAsync(cancel.Token);

        await cancel.CancelAsync();

        await Assert.ThrowsAsync<OperationCanceledException>(() => read.InTime());
        await SendAsync(2);
        Assert.Equal([1, 2], await ReadUntilAsync(2));
    }

    [Fact]
    public async Task ReadAsync_TokenOfAnEarlierReadCancelled_IsNotAffected()
    {
        using CancellationTokenSource earlier = new();
        using CancellationTokenSource later = new();
        await SendAsync(1);
        ReadResult read = await Reader.ReadAsync(earlier.Token).InTime();
        await earlier.CancelAsync();
        Reader.AdvanceTo(read.Buffer.End);

        ValueTask<ReadResult> next = Reader.ReadAsync(later.Token);

        Assert.False(next.IsCompleted, "The token was the earlier read's.");
        await SendAsync(2);
        Assert.Equal([2], (await next.InTime()).Buffer.ToArray());
    }

    [Fact]
    public async Task ReadAsync_TokenAndCancelPendingRead_ThrowsForTheToken()
    {
        using CancellationTokenSource cancel = new();
        ValueTask<ReadResult> read = Reader.ReadAsync(cancel.Token);

        await cancel.CancelAsync();
        Reader.CancelPendingRead();

        await Assert.ThrowsAsync<OperationCanceledException>(() => read.InTime());
    }

    // ---- The end. ----

    [Fact]
    public async Task ReadAsync_Ended_IsCompletedAgainAndAgain()
    {
        await EndAsync();
        for (int i = 0; i < 3; i++)
        {
            ReadResult end = await Reader.ReadAsync().InTime();
            Assert.Equal((true, false, 0L), (end.IsCompleted, end.IsCanceled, end.Buffer.Length));
            Reader.AdvanceTo(end.Buffer.End);
        }
    }

    [Fact]
    public async Task ReadAsync_EndWhileWaiting_Completes()
    {
        ValueTask<ReadResult> read = Reader.ReadAsync();

        await EndAsync();

        Assert.True((await read.InTime()).IsCompleted);
    }

    [Fact]
    public async Task ReadAsync_EndedWithUnconsumedBytes_AnswersThemAgainAndAgain()
    {
        await SendAsync(1, 2);
        ReadResult read = await Reader.ReadAsync().InTime();
        Reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        await EndAsync();
        for (int i = 0; i < 3; i++)
        {
            read = await Reader.ReadAsync().InTime();
            Assert.True(read.IsCompleted);
            Assert.Equal([1, 2], read.Buffer.ToArray());
            Reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    // ---- Complete. ----

    [Fact]
    public async Task Complete_WithoutAdvance_Ends()
    {
        await SendAsync(1, 2);
        SequencePosition end = (await Reader.ReadAsync().InTime()).Buffer.End;

        Reader.Complete();

        Assert.Throws<InvalidOperationException>(() => Reader.AdvanceTo(end));
    }

    [Fact]
    public async Task Complete_Twice_IsTheSameAsOnce()
    {
        Reader.Complete(new InvalidDataException("The parser gave up."));
        Reader.Complete();
        await Reader.CompleteAsync();
        await Reader.CompleteAsync(new InvalidDataException("Once more."));

        await Assert.ThrowsAsync<InvalidOperationException>(() => Reader.ReadAsync().InTime());
        await Assert.ThrowsAsync<InvalidOperationException>(() => Reader.ReadAtLeastAsync(1).InTime());
        Assert.Throws<InvalidOperationException>(() => Reader.TryRead(out _));
    }

    [Fact]
    public void OnWriterCompleted_Completed_IsNotCalled()
    {
        bool called = false;
#pragma warning disable CS0618 // Obsolete, and still there to be called.
        Reader.OnWriterCompleted((_, _) => called = true, null);
#pragma warning restore CS0618

        Reader.Complete();

        Assert.False(called, "The writer did not complete.");
    }

    // ---- ReadAtLeastAsync. ----

    [Fact]
    public async Task ReadAtLeastAsync_EnoughThere_AnswersAllOfIt()
    {
        await SendAsync(1, 2, 3);

        ReadResult read = await Reader.ReadAtLeastAsync(2).InTime();

        Assert.Equal([1, 2, 3], read.Buffer.ToArray());
        Reader.AdvanceTo(read.Buffer.End);
        await SendAsync(4);
        Assert.Equal([4], (await Reader.ReadAsync().InTime()).Buffer.ToArray());
    }

    [Fact]
    public async Task ReadAtLeastAsync_TooLittleThere_WaitsForTheRest()
    {
        await SendAsync(1, 2);
        ValueTask<ReadResult> read = Reader.ReadAtLeastAsync(5);
        Assert.False(read.IsCompleted, "Two bytes are not five.");

        await SendAsync(3);
        await SendAsync(4, 5);

        Assert.Equal([1, 2, 3, 4, 5], (await read.InTime()).Buffer.ToArray());
    }

    [Fact]
    public async Task ReadAtLeastAsync_BytesUnexaminedBefore_CountsThem()
    {
        await SendAsync(1, 2, 3);
        ReadResult first = await Reader.ReadAsync().InTime();
        Reader.AdvanceTo(first.Buffer.Start);

        Assert.Equal([1, 2, 3], (await Reader.ReadAtLeastAsync(3).InTime()).Buffer.ToArray());
    }

    [Fact]
    public async Task ReadAtLeastAsync_MoreThanManyParts_AnswersAllOfThem()
    {
        byte[][] parts = Parts(20);
        byte[] all = [.. parts.SelectMany(static p => p)];
        foreach (byte[] part in parts)
        {
            await SendAsync(part);
        }

        ReadResult read = await Reader.ReadAtLeastAsync(all.Length).InTime();

        Assert.Equal(all, read.Buffer.ToArray());
    }

    [Fact]
    public async Task ReadAtLeastAsync_Zero_WaitsAsAReadDoes()
    {
        ValueTask<ReadResult> read = Reader.ReadAtLeastAsync(0);

        await SendAsync(1);

        Assert.Equal([1], (await read.InTime()).Buffer.ToArray());
    }

    [Fact]
    public async Task ReadAtLeastAsync_Negative_Throws() =>
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => Reader.ReadAtLeastAsync(-1).InTime());

    [Fact]
    public async Task ReadAtLeastAsync_Ended_AnswersWhatThereIs()
    {
        await SendAsync(1);
        ValueTask<ReadResult> read = Reader.ReadAtLeastAsync(100);

        await EndAsync();

        ReadResult end = await read.InTime();
        for (int i = 0; i < 3; i++)
        {
            Assert.True(end.IsCompleted);
            Assert.Equal([1], end.Buffer.ToArray());
            Reader.AdvanceTo(end.Buffer.Start, end.Buffer.End);
            end = await Reader.ReadAtLeastAsync(100).InTime();
        }
    }

    [Fact]
    public async Task ReadAtLeastAsync_CancelPendingRead_AnswersWhatThereIs()
    {
        await SendAsync(1);
        ValueTask<ReadResult> read = Reader.ReadAtLeastAsync(100);

        Reader.CancelPendingRead();

        ReadResult canceled = await read.InTime();
        Assert.Equal((true, false), (canceled.IsCanceled, canceled.IsCompleted));
        Assert.Equal([1], canceled.Buffer.ToArray());
        Reader.AdvanceTo(canceled.Buffer.Start, canceled.Buffer.End);
        Reader.CancelPendingRead();
        Assert.True((await Reader.ReadAtLeastAsync(100).InTime()).IsCanceled);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task ReadAtLeastAsync_TokenCancelled_ThrowsAndKeepsWhatCame(byte sent)
    {
        using CancellationTokenSource cancel = new();
        if (sent > 0)
        {
            await SendAsync(1);
        }

        ValueTask<ReadResult> read = Reader.ReadAtLeastAsync(100, cancel.Token);
        if (sent > 1)
        {
            await SendAsync(2);
        }

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read.InTime());
        await SendAsync(9);
        Assert.Equal([.. Enumerable.Range(1, sent).Select(static i => (byte)i), 9], await ReadUntilAsync(sent + 1));
    }

    [Fact]
    public async Task ReadAtLeastAsync_TokenCancelledBefore_Throws()
    {
        CancellationToken cancelled = new(canceled: true);

        await Assert.ThrowsAsync<TaskCanceledException>(() => Reader.ReadAtLeastAsync(0, cancelled).InTime());
    }

    // ---- CopyToAsync. ----

    [Fact]
    public async Task CopyToAsync_NullDestination_Throws()
    {
        await Assert.ThrowsAsync<ArgumentNullException>("destination", () => Reader.CopyToAsync((Stream)null!));
        await Assert.ThrowsAsync<ArgumentNullException>("destination", () => Reader.CopyToAsync((PipeWriter)null!));
    }

    [Fact]
    public async Task CopyToAsync_TokenCancelledBefore_Throws()
    {
        CancellationToken cancelled = new(canceled: true);

        await Assert.ThrowsAsync<TaskCanceledException>(() => Reader.CopyToAsync(Stream.Null, cancelled));
    }

    [Fact]
    public async Task CopyToAsync_Stream_CopiesEverythingToTheEnd()
    {
        using MemoryStream copy = new();
        await SendAsync(1, 2);
        Task copying = Reader.CopyToAsync(copy);
        await SendAsync(3);
        await SendAsync(4, 5);

        await EndAsync();

        await copying.InTime();
        Assert.Equal([1, 2, 3, 4, 5], copy.ToArray());
    }

    [Fact]
    public async Task CopyToAsync_PipeWriter_CopiesEverythingToTheEnd()
    {
        Pipe target = new();
        await SendAsync(1, 2);
        Task copying = Reader.CopyToAsync(target.Writer);
        await SendAsync(3);

        await EndAsync();

        await copying.InTime();
        await target.Writer.CompleteAsync();
        Assert.Equal([1, 2, 3], (await target.Reader.ReadAtLeastAsync(3).InTime()).Buffer.ToArray());
    }

    [Fact]
    public async Task CopyToAsync_NothingBeforeTheEnd_WritesNothing()
    {
        await EndAsync();

        await Reader.CopyToAsync(new FailingStream(writes: 0)).InTime();
    }

    [Fact]
    public async Task CopyToAsync_CancelPendingRead_Throws()
    {
        using MemoryStream copy = new();
        Task copying = Reader.CopyToAsync(copy);

        Reader.CancelPendingRead();

        await Assert.ThrowsAsync<OperationCanceledException>(() => copying.InTime());
        await SendAsync(1);
        Assert.Equal([1], (await Reader.ReadAsync().InTime()).Buffer.ToArray());
    }

    [Fact]
    public async Task CopyToAsync_TokenCancelled_Throws()
    {
        using CancellationTokenSource cancel = new();
        Task copying = Reader.CopyToAsync(Stream.Null, cancel.Token);

        await cancel.CancelAsync();

        await Assert.ThrowsAsync<OperationCanceledException>(() => copying.InTime());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task CopyToAsync_TheWriterIsHeldUp_CanBeCancelled(bool byToken)
    {
        using CancellationTokenSource cancel = new();
        Pipe full = new(new PipeOptions(pauseWriterThreshold: 1, resumeWriterThreshold: 1));
        await SendAsync(1, 2);
        Task copying = Reader.CopyToAsync(full.Writer, cancel.Token);

        if (byToken)
        {
            await cancel.CancelAsync();
        }
        else
        {
            full.Writer.CancelPendingFlush();
        }

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => copying.InTime());
    }

    // ---- AsStream. ----

    [Fact]
    public async Task AsStream_Twice_IsTheSame()
    {
        Stream stream = Reader.AsStream();

        Assert.Same(stream, Reader.AsStream());
        await stream.DisposeAsync();
    }

    [Fact]
    public async Task AsStream_ShortBuffers_LeavesTheRestToTheReader()
    {
        await SendAsync(1, 2, 3, 4, 5, 6);
        Stream stream = Reader.AsStream(leaveOpen: true);
        byte[] buffer = new byte[2];

        Assert.Equal(2, await stream.ReadAsync(buffer).InTime());
        Assert.Equal([1, 2], buffer);
        Assert.Equal(2, await stream.ReadAsync(buffer, 0, 2).InTime());
        Assert.Equal([3, 4], buffer);
        Assert.Equal(1, stream.Read(buffer.AsSpan(0, 1)));
        await stream.DisposeAsync();

        Assert.Equal([6], (await Reader.ReadAsync().InTime()).Buffer.ToArray());
    }

    [Fact]
    public async Task AsStream_Ended_AnswersZeroAgainAndAgain()
    {
        await SendAsync(1);
        await EndAsync();
        await using Stream stream = Reader.AsStream();
        byte[] buffer = new byte[2];

        Assert.Equal(1, await stream.ReadAsync(buffer).InTime());
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(0, await stream.ReadAsync(buffer).InTime());
        }
    }

    [Fact]
    public async Task AsStream_Disposed_CompletesTheReader()
    {
        await SendAsync(1);
        Stream stream = Reader.AsStream();
        await stream.DisposeAsync();
        await stream.DisposeAsync();

        await Assert.ThrowsAsync<InvalidOperationException>(() => Reader.ReadAsync().InTime());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AsStream_ReadCancelled_ThrowsAndLosesNothing(bool byToken)
    {
        using CancellationTokenSource cancel = new();
        Stream stream = Reader.AsStream(leaveOpen: true);
        ValueTask<int> read = stream.ReadAsync(new byte[8], cancel.Token);
        Assert.False(read.IsCompleted, "Nothing was sent.");

        if (byToken)
        {
            await cancel.CancelAsync();
        }
        else
        {
            Reader.CancelPendingRead();
        }

        await Assert.ThrowsAsync<OperationCanceledException>(() => read.InTime());
        await SendAsync(1);
        Assert.Equal([1], (await Reader.ReadAsync().InTime()).Buffer.ToArray());
    }

    /// <summary>More than the queue's buffers hold at once, in parts as long as one of them at most.</summary>
    private static byte[][] Parts(int count) => [.. Enumerable.Range(1, count).Select(static part => Enumerable.Range(0, 50 * part).Select(i => (byte)(i + part)).ToArray())];

    /// <summary>Each part sent when the reader waits for it, so that it is a segment or at least a read of its own; nothing is consumed.</summary>
    private async Task<ReadResult> ReadSeparatelyAsync(params byte[][] parts)
    {
        ReadResult read = default;
        foreach (byte[] part in parts)
        {
            if (read.Buffer.Length > 0)
            {
                Reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            }

            await SendAsync(part);
            read = await Reader.ReadAsync().InTime();
        }

        Assert.Equal(parts.SelectMany(static p => p), read.Buffer.ToArray());
        return read;
    }

    /// <summary>Reads until so many bytes are there. (Of bytes that were examined before, the framework's pipe does not count any in ReadAtLeastAsync.)</summary>
    private async Task<byte[]> ReadUntilAsync(int length)
    {
        while (true)
        {
            ReadResult read = await Reader.ReadAsync().InTime();
            if (read.Buffer.Length >= length)
            {
                return read.Buffer.ToArray();
            }

            Reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }
}
