namespace BulkIn;

/// <summary>A user's clock that throws where it is told to, and is the inner one otherwise.</summary>
internal sealed class ThrowingClock(TimeProvider inner) : TimeProvider
{
    /// <summary>How many of the next readings throw.</summary>
    public int ReadingsThrow { get; set; }

    /// <summary>How many of the next timers throw when they are created.</summary>
    public int TimersThrow { get; set; }

    public override long TimestampFrequency => inner.TimestampFrequency;

    public override long GetTimestamp() => ReadingsThrow-- > 0 ? throw new InvalidDataException("The user's clock.") : inner.GetTimestamp();

    public override DateTimeOffset GetUtcNow() => inner.GetUtcNow();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        TimersThrow-- > 0 ? throw new InvalidDataException("The user's clock.") : inner.CreateTimer(callback, state, dueTime, period);
}
