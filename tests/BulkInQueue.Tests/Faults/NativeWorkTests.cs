using BulkIn.Core;
using Xunit;

namespace BulkIn;

public sealed class NativeWorkTests
{
    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 0)]
    public async Task Completion_TwoCallsWhoseWaitersWereCalledAway_ComesWithTheLast(int first, int last)
    {
        NativeWork work = new();
        TaskCompletionSource<int>[] calls = [new(), new()];
        using CancellationTokenSource preempt = new();
        await preempt.CancelAsync();
        foreach (TaskCompletionSource<int> call in calls)
        {
            await Assert.ThrowsAsync<TaskCanceledException>(() => work.RunAsync(new ValueTask<int>(call.Task), preempt.Token).InTime());
        }

        calls[first].SetResult(1);
        Assert.False(work.Completion.IsCompleted, "One of the two calls still uses the handle.");
        calls[last].SetResult(2);

        await work.Completion.InTime("the end of both calls");
    }

    [Fact]
    public async Task Completion_AnEarlierCallHasEnded_IsThatOfTheLater()
    {
        NativeWork work = new();
        Assert.Equal(1, await work.RunAsync(new ValueTask<int>(1), CancellationToken.None).InTime());
        TaskCompletionSource<int> later = new();
        Task<int> waited = work.RunAsync(new ValueTask<int>(later.Task), CancellationToken.None);
        Assert.False(work.Completion.IsCompleted, "The later call still uses the handle.");

        later.SetResult(2);

        Assert.Equal(2, await waited.InTime());
        await work.Completion.InTime("the end of the later call");
    }
}
