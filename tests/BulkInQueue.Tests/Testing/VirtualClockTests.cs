using Xunit;

namespace BulkIn.Testing;

public sealed class VirtualClockTests
{
    [Fact]
    public void Advance_SeveralTimers_FireInTheOrderOfTheirTimesAtTheirTimes()
    {
        VirtualClock clock = new();
        List<(string Name, double At)> fired = [];
        using ITimer late = Timer("late", 3);
        using ITimer early = Timer("early", 1);
        using ITimer second = Timer("second early", 1);
        using ITimer never = Timer("never", 10);

        clock.Advance(TimeSpan.FromSeconds(5));

        Assert.Equal([("early", 1.0), ("second early", 1.0), ("late", 3.0)], fired);
        Assert.Equal(TimeSpan.FromSeconds(5), clock.Now);
        Assert.Equal(1, clock.ArmedTimers);

        ITimer Timer(string name, int seconds) =>
            clock.CreateTimer(_ => fired.Add((name, clock.Now.TotalSeconds)), null, TimeSpan.FromSeconds(seconds), Timeout.InfiniteTimeSpan);
    }

    [Fact]
    public void Advance_PeriodicTimer_FiresUntilStopped()
    {
        VirtualClock clock = new();
        int fired = 0;
        using ITimer timer = clock.CreateTimer(_ => fired++, null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2));

        clock.Advance(TimeSpan.FromSeconds(6));
        Assert.Equal(3, fired);
        Assert.True(timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan));
        clock.Advance(TimeSpan.FromSeconds(6));
        Assert.Equal(3, fired);
        timer.Dispose();
        Assert.False(timer.Change(TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan));
    }

    [Fact]
    public void Advance_TimerThatSetsAnother_FiresBothWhenDue()
    {
        VirtualClock clock = new();
        double secondAt = 0;
        ITimer? second = null;
        using ITimer first = clock.CreateTimer(
            _ => second = clock.CreateTimer(_ => secondAt = clock.Now.TotalSeconds, null, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan),
            null,
            TimeSpan.FromSeconds(1),
            Timeout.InfiniteTimeSpan);

        clock.Advance(TimeSpan.FromSeconds(3));

        Assert.Equal(2.0, secondAt);
        second!.Dispose();
    }

    [Fact]
    public async Task Timestamps_FollowTheClock_AndZeroDueTimesFireElsewhere()
    {
        VirtualClock clock = new();
        long start = clock.GetTimestamp();
        DateTimeOffset utc = clock.GetUtcNow();
        clock.Advance(TimeSpan.FromMilliseconds(1500));

        Assert.Equal(TimeSpan.FromMilliseconds(1500), clock.GetElapsedTime(start));
        Assert.Equal(utc.AddMilliseconds(1500), clock.GetUtcNow());

        TaskCompletionSource fired = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using ITimer timer = clock.CreateTimer(_ => fired.SetResult(), null, TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        await fired.Task.WaitAsync(TimeSpan.FromSeconds(10));
    }
}
