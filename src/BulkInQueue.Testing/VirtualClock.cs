namespace BulkIn.Testing;

/// <summary>
/// A clock that moves only when it is told to: the same test takes the same virtual time on every machine. Pass it as
/// <see cref="SimulatedEndpointOptions.TimeProvider"/> and as <see cref="BulkInQueueOptions.TimeProvider"/>. Thread-safe.
/// </summary>
/// <remarks>Timers fire inside <see cref="Advance"/>, on its thread, in the order of their due times; those due at one time in the order they were set.</remarks>
public sealed class VirtualClock : TimeProvider
{
    private static readonly DateTimeOffset Start = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly Lock _sync = new();
    private readonly List<VirtualTimer> _armed = [];
    private TimeSpan _now;
    private long _order;

    /// <summary>Virtual time since the clock was created.</summary>
    public TimeSpan Now
    {
        get
        {
            lock (_sync)
            {
                return _now;
            }
        }
    }

    /// <summary>Timers that are set now.</summary>
    public int ArmedTimers
    {
        get
        {
            lock (_sync)
            {
                return _armed.Count;
            }
        }
    }

    /// <inheritdoc/>
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <inheritdoc/>
    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    /// <inheritdoc/>
    public override long GetTimestamp() => Now.Ticks;

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => Start + Now;

    /// <summary>Moves the clock and fires the timers that become due on the way, each at its own time.</summary>
    /// <param name="by">How far, not negative.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="by"/> is negative.</exception>
    public void Advance(TimeSpan by)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(by, TimeSpan.Zero);
        TimeSpan target = Now + by;
        while (NextDue(target) is { } timer)
        {
            timer.Fire();
        }
    }

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ArgumentNullException.ThrowIfNull(callback);
        VirtualTimer timer = new(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private VirtualTimer? NextDue(TimeSpan target)
    {
        lock (_sync)
        {
            VirtualTimer? next = null;
            foreach (VirtualTimer timer in _armed)
            {
                if (timer.Due <= target && (next is null || (timer.Due, timer.Order).CompareTo((next.Due, next.Order)) < 0))
                {
                    next = timer;
                }
            }

            if (next is null)
            {
                _now = target > _now ? target : _now;
                return null;
            }

            _now = next.Due > _now ? next.Due : _now;
            if (next.Period > TimeSpan.Zero)
            {
                next.Due = _now + next.Period;
                next.Order = _order++;
            }
            else
            {
                _armed.Remove(next);
            }

            return next;
        }
    }

    private sealed class VirtualTimer(VirtualClock clock, TimerCallback callback, object? state) : ITimer
    {
        private bool _isDisposed;

        internal TimeSpan Due { get; set; }

        internal TimeSpan Period { get; private set; }

        internal long Order { get; set; }

        internal void Fire() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            bool fire = false;
            lock (clock._sync)
            {
                if (_isDisposed)
                {
                    return false;
                }

                clock._armed.Remove(this);
                Period = period == Timeout.InfiniteTimeSpan ? TimeSpan.Zero : period;
                if (dueTime != Timeout.InfiniteTimeSpan)
                {
                    fire = dueTime == TimeSpan.Zero;
                    Due = clock._now + dueTime;
                    Order = clock._order++;
                    if (!fire || Period > TimeSpan.Zero)
                    {
                        Due = fire ? clock._now + Period : Due;
                        clock._armed.Add(this);
                    }
                }
            }

            if (fire)
            {
                // A due time of zero asks for a call now, but not inside CreateTimer or Change, whose callers may hold locks.
                ThreadPool.UnsafeQueueUserWorkItem(static timer => timer.Fire(), this, preferLocal: false);
            }

            return true;
        }

        public void Dispose()
        {
            lock (clock._sync)
            {
                _isDisposed = true;
                clock._armed.Remove(this);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
