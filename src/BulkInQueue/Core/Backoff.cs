namespace BulkIn.Core;

/// <summary>The pauses between attempts at something the bus refused: none before the first, then doubling up to a limit.</summary>
internal sealed class Backoff(TimeSpan first, TimeSpan longest, TimeProvider time)
{
    /// <summary>Waits before the next attempt.</summary>
    /// <param name="made">Attempts made so far.</param>
    /// <param name="preempt">Ends the wait, for something more urgent.</param>
    public Task WaitAsync(int made, CancellationToken preempt) => Task.Delay(Before(made), time, preempt);

    private TimeSpan Before(int made)
    {
        if (made == 0)
        {
            return TimeSpan.Zero;
        }

        double factor = Math.Pow(2, Math.Min(made - 1, 30));
        return TimeSpan.FromMilliseconds(Math.Min(first.TotalMilliseconds * factor, longest.TotalMilliseconds));
    }
}
