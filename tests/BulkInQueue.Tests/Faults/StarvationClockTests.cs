using System.Diagnostics;
using BulkIn.Core;
using Xunit;

namespace BulkIn;

public sealed class StarvationClockTests
{
    private readonly StarvationClock _clock = new(new PostedFifo(depth: 1), new CompletionPath(new ReaderWatch(new ReaderSignal()), static () => { }));

    [Fact]
    public void End_SeveralTimes_AddsUpHowLongEachTook()
    {
        _clock.End(since: 1000, until: 1000 + Stopwatch.Frequency);
        _clock.End(since: 5000, until: 5000 + (2 * Stopwatch.Frequency));
        Assert.Equal((2L, TimeSpan.FromSeconds(3)), _clock.Read(counts: true));
    }

    [Fact]
    public void End_SubmittedBeforeItCompleted_CountsNoTime()
    {
        _clock.End(since: 2000, until: 1000);
        Assert.Equal((1L, TimeSpan.Zero), _clock.Read(counts: true));
    }

    [Fact]
    public void Read_StarvedNow_CountsUpToNow()
    {
        _clock.StartStarved();
        long began = _clock.Since;
        Assert.True(SpinWait.SpinUntil(() => Stopwatch.GetTimestamp() > began + (Stopwatch.Frequency / 10_000), Bounded.Limit), "The clock stands still.");

        (long count, TimeSpan time) = _clock.Read(counts: true);
        Assert.Equal(1, count);
        Assert.True(time >= TimeSpan.FromTicks(900), $"Starved since more than 0.1 ms, counted {time.TotalMilliseconds} ms.");
        Assert.Equal((0L, TimeSpan.Zero), _clock.Read(counts: false));
    }

    [Fact]
    public void OnHarvest_InTheOrderOfCompletion_IsInOrderUnlessOneWasEarlier()
    {
        Assert.True(_clock.OnHarvest(completedAt: 5), "The first.");
        Assert.True(_clock.OnHarvest(completedAt: 5), "In the same tick.");
        Assert.False(_clock.OnHarvest(completedAt: 4), "Completed before the one that was submitted earlier.");
        Assert.True(_clock.OnHarvest(completedAt: 6), "Later than all.");
    }
}
