using BulkIn.Testing;
using Xunit;

namespace BulkIn;

public class ReceiveTests : QueueTest
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Fact]
    public void Open_Defaults_PostsEverySlot()
    {
        BulkInQueue queue = Open();

        Assert.Equal(4, Device.Posted);
        Assert.Equal(BulkInState.Running, queue.State);
        Assert.Equal(4, queue.Statistics.Posted);
    }

    [Fact]
    public async Task RecvAsync_DataReady_CopiesAndPostsAgain()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1, 2, 3]);

        BulkInResult result = await queue.RecvAsync(Destination).InTime();

        Assert.Equal(BulkInStatus.Data, result.Status);
        Assert.Equal(3, result.Length);
        Assert.True(result.EndOfMessage);
        Assert.Equal(0, result.Sequence);
        Assert.Equal([1, 2, 3], Destination[..3]);
        Assert.Equal(4, Device.Posted);
    }

    [Fact]
    public async Task RecvAsync_DataLater_WaitsForIt()
    {
        BulkInQueue queue = Open();
        ValueTask<BulkInResult> receive = queue.RecvAsync(Destination);
        Assert.False(receive.IsCompleted, "Nothing was delivered yet.");

        Device.Deliver([7]);

        Assert.Equal(1, (await receive.InTime()).Length);
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(1, 2)]
    [InlineData(4, 0)]
    [InlineData(8, 2)]
    public async Task RecvAsync_ManyTransfers_KeepsOrder(int depth, int spares)
    {
        BulkInQueue queue = Open(Defaults with { Depth = depth, SpareBuffers = spares });
        for (int i = 0; i < 200; i++)
        {
            Device.Deliver([(byte)i, (byte)(i >> 8)]);
        }

        for (int i = 0; i < 200; i++)
        {
            Assert.Equal([(byte)i, (byte)(i >> 8)], await ReceiveAsync(queue));
        }
    }

    [Fact]
    public async Task RecvAsync_CompletionsInReverse_DeliversInSubmissionOrder()
    {
        BulkInQueue queue = Open();
        Device.Hold();
        for (byte i = 0; i < 4; i++)
        {
            Device.Deliver([i]);
        }

        ValueTask<BulkInResult> first = queue.RecvAsync(Destination);
        Device.ReleaseReversed();

        Assert.Equal(0, (await first.InTime()).Sequence);
        Assert.Equal(0, Destination[0]);
        for (byte i = 1; i < 4; i++)
        {
            Assert.Equal([i], await ReceiveAsync(queue));
        }

        Assert.Equal(3, queue.Statistics.OutOfOrderCompletions);
        Device.StopHolding();
    }

    [Fact]
    public async Task RecvAsync_ZeroLengthPacket_IsDataOfNoBytes()
    {
        BulkInQueue queue = Open();
        Device.Deliver([]);

        BulkInResult result = await queue.RecvAsync(Destination).InTime();

        Assert.Equal((BulkInStatus.Data, 0, true), (result.Status, result.Length, result.EndOfMessage));
    }

    [Fact]
    public async Task RecvAsync_ExactlyFull_HasNoEndOfMessage()
    {
        BulkInQueue queue = Open();
        Device.Deliver(new byte[1024], zeroLengthPacket: true);

        BulkInResult full = await queue.RecvAsync(Destination).InTime();
        BulkInResult end = await queue.RecvAsync(Destination).InTime();

        Assert.Equal((1024, false), (full.Length, full.EndOfMessage));
        Assert.Equal((0, true), (end.Length, end.EndOfMessage));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public async Task RecvAsync_ShortDestination_KeepsTheRest(int spares)
    {
        BulkInQueue queue = Open(Defaults with { SpareBuffers = spares });
        Device.Deliver([1, 2, 3, 4, 5]);
        Device.Deliver([6]);

        BulkInResult first = await queue.RecvAsync(Destination.AsMemory(0, 2)).InTime();
        BulkInResult second = await queue.RecvAsync(Destination.AsMemory(2, 2)).InTime();
        BulkInResult third = await queue.RecvAsync(Destination.AsMemory(4, 2)).InTime();

        Assert.Equal((2, 3, false, 0L), (first.Length, first.Remaining, first.EndOfMessage, first.Sequence));
        Assert.Equal((2, 1, false, 0L), (second.Length, second.Remaining, second.EndOfMessage, second.Sequence));
        Assert.Equal((1, 0, true, 0L), (third.Length, third.Remaining, third.EndOfMessage, third.Sequence));
        Assert.Equal([1, 2, 3, 4, 5], Destination[..5]);
        Assert.Equal([6], await ReceiveAsync(queue));
    }

    [Fact]
    public async Task RecvAsync_Timeout_LeavesTheTransferPosted()
    {
        BulkInQueue queue = Open();
        ValueTask<BulkInResult> receive = queue.RecvAsync(Destination, Second);

        Time.Advance(Second);
        BulkInResult result = await receive.InTime();

        Assert.Equal(BulkInStatus.TimedOut, result.Status);
        Assert.Equal(default, result);
        Assert.Equal(4, Device.Posted);
        Assert.Equal(4, Device.Submissions);
        Device.Deliver([9]);
        Assert.Equal([9], await ReceiveAsync(queue));
    }

    [Fact]
    public async Task RecvAsync_LateTickOfAnEarlierWait_DoesNotEndTheNext()
    {
        BulkInQueue queue = Open();
        ValueTask<BulkInResult> first = queue.RecvAsync(Destination, Second);
        Device.Deliver([1]);
        _ = await first.InTime();
        ValueTask<BulkInResult> second = queue.RecvAsync(Destination, 10 * Second);

        Time.Advance(Second);

        Assert.False(second.IsCompleted, "The first wait's timer ended the second wait.");
        Time.Advance(9 * Second);
        Assert.Equal(BulkInStatus.TimedOut, (await second.InTime()).Status);
    }

    [Fact]
    public async Task RecvAsync_ZeroTimeout_Polls()
    {
        BulkInQueue queue = Open();

        ValueTask<BulkInResult> empty = queue.RecvAsync(Destination, TimeSpan.Zero);

        Assert.True(empty.IsCompletedSuccessfully, "A poll must not wait.");
        Assert.Equal(BulkInStatus.TimedOut, (await empty).Status);
        Device.Deliver([1]);
        Assert.True((await queue.RecvAsync(Destination, TimeSpan.Zero).InTime()).IsData);
    }

    [Fact]
    public async Task RecvAsync_AboveTheTimersMaximum_Waits()
    {
        BulkInQueue queue = Open();
        ValueTask<BulkInResult> receive = queue.RecvAsync(Destination, TimeSpan.MaxValue);
        Time.Advance(TimeSpan.FromDays(100));

        Device.Deliver([1]);

        Assert.True((await receive.InTime()).IsData);
    }

    [Fact]
    public async Task RecvAsync_TokenCancelled_EndsTheWaitAndLosesNothing()
    {
        BulkInQueue queue = Open();
        using CancellationTokenSource cancel = new();
        ValueTask<BulkInResult> receive = queue.RecvAsync(Destination, cancel.Token);

        await cancel.CancelAsync();

        OperationCanceledException ended = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => receive.InTime());
        Assert.Equal(cancel.Token, ended.CancellationToken);
        Assert.Equal(4, Device.Submissions);
        Device.Deliver([1]);
        Assert.Equal([1], await ReceiveAsync(queue));
    }

    [Fact]
    public async Task RecvAsync_TokenAlreadyCancelled_BeatsReadyData()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => queue.RecvAsync(Destination, new CancellationToken(canceled: true)).InTime());

        Assert.Equal([1], await ReceiveAsync(queue));
    }

    [Fact]
    public async Task RecvAsync_SecondReader_ThrowsAtOnceAndLeavesTheFirst()
    {
        BulkInQueue queue = Open();
        ValueTask<BulkInResult> first = queue.RecvAsync(Destination);

        InvalidOperationException refused = Assert.Throws<InvalidOperationException>(() => { _ = queue.RecvAsync(new byte[1]); });
        Assert.Contains("receive in progress", refused.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => queue.TryRecv(new byte[1], out _));
        Assert.Throws<InvalidOperationException>(() => queue.Recv(new byte[1], Second));
        Assert.Throws<InvalidOperationException>(() => { _ = queue.LeaseAsync(); });
        Assert.Throws<InvalidOperationException>(() => queue.Discard());

        Device.Deliver([5]);
        Assert.Equal(1, (await first.InTime()).Length);
    }

    [Fact]
    public void RecvAsync_BadArguments_Throws()
    {
        BulkInQueue queue = Open();

        Assert.Throws<ArgumentException>("destination", () => { _ = queue.RecvAsync(Memory<byte>.Empty); });
        Assert.Throws<ArgumentException>("destination", () => queue.Recv([], Second));
        Assert.Throws<ArgumentException>("destination", () => queue.TryRecv([], out _));
        Assert.Throws<ArgumentOutOfRangeException>("timeout", () => { _ = queue.RecvAsync(Destination, TimeSpan.FromMilliseconds(-2)); });
        Assert.Throws<ArgumentOutOfRangeException>("timeout", () => queue.Recv(Destination, TimeSpan.FromTicks(-1)));
        Assert.Throws<ArgumentOutOfRangeException>("timeout", () => { _ = queue.LeaseAsync(TimeSpan.MinValue); });
    }

    [Fact]
    public async Task Recv_DataLater_BlocksUntilItComes()
    {
        BulkInQueue queue = Open();
        Task<BulkInResult> receive = Task.Factory.StartNew(
            () => queue.Recv(Destination, Timeout.InfiniteTimeSpan),
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);

        Device.Deliver([1, 2]);

        Assert.Equal(2, (await receive.InTime()).Length);
    }

    [Fact]
    public async Task Recv_Timeout_Answers()
    {
        BulkInQueue queue = Open();
        Task<BulkInResult> receive = Task.Factory.StartNew(
            () => queue.Recv(Destination, Second),
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);

        await AdvanceUntilAsync(() => receive.IsCompleted);

        Assert.Equal(BulkInStatus.TimedOut, (await receive.InTime()).Status);
        Assert.Equal(4, Device.Posted);
    }

    [Fact]
    public void Recv_SystemClock_TimesOut()
    {
        BulkInQueue queue = Open(Defaults with { TimeProvider = TimeProvider.System });

        Assert.Equal(BulkInStatus.TimedOut, queue.Recv(Destination, TimeSpan.FromMilliseconds(5)).Status);
        Device.Deliver([1]);
        Assert.True(queue.Recv(Destination, TimeSpan.FromMilliseconds(5)).IsData);
    }

    [Fact]
    public void TryRecv_NothingThenData_FalseThenTrue()
    {
        BulkInQueue queue = Open();

        Assert.False(queue.TryRecv(Destination, out BulkInResult nothing));
        Assert.Equal(default, nothing);
        Device.Deliver([1, 2]);
        Assert.True(queue.TryRecv(Destination, out BulkInResult result));
        Assert.Equal(2, result.Length);
    }

    [Fact]
    public async Task Discard_ReadyAndRemainder_DropsAndCounts()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1, 2, 3]);
        Device.Deliver([4, 5]);
        _ = await queue.RecvAsync(Destination.AsMemory(0, 1)).InTime();

        Assert.Equal(4, queue.Discard());

        Assert.Equal(4, queue.Statistics.BytesDiscarded);
        Assert.Equal(4, Device.Posted);
        Device.Deliver([6]);
        Assert.Equal([6], await ReceiveAsync(queue));
        Assert.Equal(0, queue.Discard());
    }

    [Fact]
    public async Task RecvAsync_SpareBuffersZero_PostsAfterTheCopy()
    {
        BulkInQueue queue = Open(Defaults with { SpareBuffers = 0 });
        Device.Deliver([1, 2]);

        _ = await queue.RecvAsync(Destination.AsMemory(0, 1)).InTime();
        Assert.Equal(3, Device.Posted);
        _ = await queue.RecvAsync(Destination.AsMemory(0, 1)).InTime();

        Assert.Equal(4, Device.Posted);
    }

    [Fact]
    public async Task RecvAsync_Spare_PostsBeforeTheCopyEnds()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1, 2]);

        _ = await queue.RecvAsync(Destination.AsMemory(0, 1)).InTime();

        Assert.Equal(4, Device.Posted);
    }

    [Fact]
    public async Task RecvAsync_CompletionInsideSubmit_IsNotLost()
    {
        using SimulatedEndpoint eager = new(new SimulatedEndpointOptions { CompletesInsideSubmit = true, TimeProvider = Time });
        for (byte i = 0; i < 20; i++)
        {
            eager.Deliver([i]);
        }

        await using BulkInQueue queue = eager.OpenQueue(Defaults);
        for (byte i = 0; i < 20; i++)
        {
            BulkInResult result = await queue.RecvAsync(Destination).InTime();
            Assert.Equal((i, 1), (Destination[0], result.Length));
        }
    }

    [Fact]
    public async Task Statistics_ReaderTooSlow_CountsTheStarvation()
    {
        BulkInQueue queue = Open(Defaults with { Depth = 1, SpareBuffers = 0 });
        Device.Deliver([1]);

        BulkInStatistics open = queue.Statistics;
        _ = await ReceiveAsync(queue);
        BulkInStatistics after = queue.Statistics;

        Assert.Equal(1, open.Starvations);
        Assert.Equal(1, after.Starvations);
        Assert.True(after.StarvationTime > TimeSpan.Zero, "The slot was not posted between its completion and the receive.");
        Assert.Equal((1L, 1L), (after.Transfers, after.Bytes));
    }

    [Theory]
    [InlineData(BulkInState.Paused)]
    [InlineData(BulkInState.Stopped)]
    [InlineData(BulkInState.Disposed)]
    public async Task Statistics_StarvedUntilTheQueueIsHalted_KeepTheStarvation(BulkInState state)
    {
        BulkInQueue queue = Open(Defaults with { Depth = 1, SpareBuffers = 0 });
        Device.Deliver([1]);
        using BulkInLease lease = await queue.LeaseAsync().InTime();
        BulkInStatistics before = queue.Statistics;
        Assert.Equal((0, 1L), (before.Posted, before.Starvations));

        await (state switch
        {
            BulkInState.Paused => queue.PauseAsync(),
            BulkInState.Stopped => queue.StopAsync(),
            _ => queue.DisposeAsync().AsTask(),
        }).InTime();

        BulkInStatistics after = queue.Statistics;
        Assert.Equal(1L, after.Starvations);
        Assert.True(after.StarvationTime >= before.StarvationTime, $"A counter only grows: {before.StarvationTime}, then {after.StarvationTime}.");
        Assert.Equal(after.StarvationTime, queue.Statistics.StarvationTime);
    }
}
