using BulkIn.Core;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace BulkIn;

public sealed class WaitDeadlineTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly ReaderSignal _signal = new();

    [Fact]
    public async Task Set_DeadlinePassedBeforeTheWaitWasArmed_StillEndsTheWait()
    {
        using WaitDeadline deadline = new(_signal, _time);
        long due = _time.GetTimestamp() + 1000;
        _signal.Arm(blocking: false);
        deadline.Set(due);
        _signal.Wake(WakeReason.Changed);
        Assert.Equal(WakeReason.Changed, await _signal.WaitAsync().InTime());

        // The tick comes while the reader is between two rounds of one wait: nothing is armed that it could end.
        _time.Advance(TimeSpan.FromSeconds(1));
        _signal.Arm(blocking: false);
        deadline.Set(due);
        _time.Advance(TimeSpan.FromMilliseconds(1));

        Assert.Equal(WakeReason.Timeout, await _signal.WaitAsync().InTime("the timeout that came in the window"));
    }

    [Fact]
    public async Task Tick_NextWaitArmedWhileItLooks_EndsTheNextWaitOnlyAtItsOwnDeadline()
    {
        StoppedClock clock = new();
        using WaitDeadline deadline = new(_signal, clock);
        _signal.Arm(blocking: false);
        deadline.Set(10);

        // Inside the tick, after it read the word: the wait ends, and the next begins with a deadline of its own.
        clock.Now = 10;
        clock.OnRead = () =>
        {
            clock.OnRead = null;
            _signal.Wake(WakeReason.Changed);
            _ = _signal.WaitAsync().GetAwaiter().GetResult();
            _signal.Arm(blocking: false);
            deadline.Set(20);
        };
        clock.Fire();
        ValueTask<WakeReason> next = _signal.WaitAsync();
        Assert.False(next.IsCompleted, "The deadline of the wait before ended this one.");

        clock.Now = 20;
        clock.Fire();
        Assert.Equal(WakeReason.Timeout, await next.InTime());
    }

    [Fact]
    public async Task Tick_NextWaitArmedAndExpiredWhileItLooks_EndsIt()
    {
        StoppedClock clock = new();
        using WaitDeadline deadline = new(_signal, clock);
        _signal.Arm(blocking: false);
        deadline.Set(10);

        clock.Now = 10;
        clock.OnRead = () =>
        {
            clock.OnRead = null;
            _signal.Wake(WakeReason.Changed);
            _ = _signal.WaitAsync().GetAwaiter().GetResult();
            _signal.Arm(blocking: false);
        };
        clock.Fire();

        Assert.Equal(WakeReason.Timeout, await _signal.WaitAsync().InTime("the wait whose deadline the tick found expired"));
    }

    /// <summary>A clock whose one timer fires when the test says so, and which lets the test in where the tick reads the time.</summary>
    private sealed class StoppedClock : TimeProvider
    {
        private TimerCallback? _callback;
        private object? _state;

        public long Now { get; set; }

        public Action? OnRead { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp()
        {
            OnRead?.Invoke();
            return Now;
        }

        public void Fire() => _callback!(_state);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            _callback = callback;
            _state = state;
            return new Silent();
        }

        private sealed class Silent : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
            }

            public ValueTask DisposeAsync() => ValueTask.CompletedTask;
        }
    }
}
