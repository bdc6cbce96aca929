using System.Diagnostics;

namespace BulkIn.Core;

/// <summary>
/// Measures how often and for how long nothing was posted while the queue should have been: the number that proves or disproves its promise. All members are called with
/// the pool's gate held.
/// </summary>
internal sealed class StarvationClock(PostedFifo posted, CompletionPath completions)
{
    private long _count;
    private long _ticks;
    private long _newestHarvested;

    /// <summary>Since when nothing is posted; 0 while something is, or when nothing completed since posting started.</summary>
    /// <remarks>Exact with the gate held: only posts raise the count in flight, and a completion stamps its slot before it lowers it.</remarks>
    public long Since => completions.IsInFlight ? 0 : NewestCompletion();

    /// <summary>Posting starts: what completed before does not count.</summary>
    public void Reset() => _newestHarvested = 0;

    /// <summary>Posting started with nothing to post with: that is starvation from now on.</summary>
    public void StartStarved() => _newestHarvested = Stopwatch.GetTimestamp();

    /// <summary>A completed slot leaves the FIFO.</summary>
    /// <param name="completedAt">When it completed.</param>
    /// <returns>False when it completed before one that was submitted earlier.</returns>
    public bool OnHarvest(long completedAt)
    {
        if (completedAt < _newestHarvested)
        {
            return false;
        }

        _newestHarvested = completedAt;
        return true;
    }

    /// <summary>A submit succeeded while nothing was posted, or posting was closed.</summary>
    /// <param name="since">From <see cref="Since"/>, before it.</param>
    /// <param name="until">When.</param>
    public void End(long since, long until)
    {
        _count++;
        _ticks += Math.Max(0, until - since);
    }

    /// <summary>The figures so far.</summary>
    /// <param name="counts">False when nothing is meant to be posted now: then what is going on is no starvation.</param>
    public (long Count, TimeSpan Time) Read(bool counts)
    {
        long count = _count;
        long ticks = _ticks;
        if (counts && Since is > 0 and long since)
        {
            count++;
            ticks += Math.Max(0, Stopwatch.GetTimestamp() - since);
        }

        return (count, TimeSpan.FromSeconds((double)ticks / Stopwatch.Frequency));
    }

    private long NewestCompletion()
    {
        long newest = _newestHarvested;
        for (int age = 0; age < posted.Count; age++)
        {
            newest = Math.Max(newest, posted[age].CompletedAt);
        }

        return newest;
    }
}
