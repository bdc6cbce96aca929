using Xunit;

namespace BulkIn;

/// <summary>Looks at what a thread does.</summary>
internal static class ThreadExtensions
{
    /// <summary>Until it waits for something, a lock or a signal, or has ended.</summary>
    public static void UntilBlocked(this Thread thread)
    {
        long start = TimeProvider.System.GetTimestamp();
        while (thread.IsAlive && !thread.ThreadState.HasFlag(ThreadState.WaitSleepJoin))
        {
            Assert.True(TimeProvider.System.GetElapsedTime(start) < Bounded.Limit, "A thread neither ends nor waits.");
            _ = Thread.Yield();
        }
    }
}
