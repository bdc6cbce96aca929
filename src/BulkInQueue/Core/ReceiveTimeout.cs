namespace BulkIn.Core;

/// <summary>A receive's timeout, as it is passed: zero polls, <see cref="Timeout.InfiniteTimeSpan"/> waits.</summary>
internal static class ReceiveTimeout
{
    // The longest due time a timer takes.
    private static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(uint.MaxValue - 1);

    /// <summary>Checks the timeout.</summary>
    /// <returns>The timeout; infinite when it is above what a timer can wait.</returns>
    public static TimeSpan Check(TimeSpan timeout)
    {
        if (timeout < TimeSpan.Zero && timeout != Timeout.InfiniteTimeSpan)
        {
            throw new ArgumentOutOfRangeException(
                nameof(timeout),
                timeout,
                "The timeout must be zero (poll), positive, or Timeout.InfiniteTimeSpan.");
        }

        return timeout > Longest ? Timeout.InfiniteTimeSpan : timeout;
    }

    /// <summary>The moment a wait that starts now ends.</summary>
    /// <returns>A timestamp of <paramref name="time"/>, or <see langword="null"/> for never.</returns>
    public static long? Deadline(TimeSpan timeout, TimeProvider time) => timeout == Timeout.InfiniteTimeSpan
        ? null
        : time.GetTimestamp() + (long)Math.Ceiling(timeout.TotalSeconds * time.TimestampFrequency);
}
