using System.Diagnostics;
using System.Runtime.InteropServices;

namespace BulkIn.Soak;

/// <summary>
/// What the process holds: live managed bytes, resident bytes, threads, and open handles (descriptors on Linux). Threads of the pool that have nothing to do are apart: the runtime starts
/// them when work waits for a processor, so on a busy machine, and keeps them for a while.
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Footprint(long Managed, long Resident, int Threads, int Handles, int IdleThreads = 0)
{
    /// <summary>Looks, after a collection: what is counted as managed is what somebody still holds.</summary>
    public static Footprint Take()
    {
        for (int i = 0; i < 2; i++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }

        long managed = GC.GetTotalMemory(forceFullCollection: true);
        using Process self = Process.GetCurrentProcess();
        int handles = Directory.Exists("/proc/self/fd") ? Directory.GetFileSystemEntries("/proc/self/fd").Length : self.HandleCount;
        int idle = IdlePoolThreads();
        return new Footprint(managed, self.WorkingSet64, self.Threads.Count - idle, handles, idle);
    }

    /// <summary>The smaller of each.</summary>
    public static Footprint Min(Footprint one, Footprint other) => new(
        Math.Min(one.Managed, other.Managed), Math.Min(one.Resident, other.Resident), Math.Min(one.Threads, other.Threads), Math.Min(one.Handles, other.Handles),
        Math.Min(one.IdleThreads, other.IdleThreads));

    public override string ToString() =>
        FormattableString.Invariant($"{Managed / 1024.0 / 1024.0:0.0} MiB managed, {Resident / 1024.0 / 1024.0:0.0} MiB resident, {Threads} threads and {IdleThreads} idle, {Handles} handles");

    /// <summary>Those that are blocked in somebody's work count as busy.</summary>
    private static int IdlePoolThreads()
    {
        ThreadPool.GetMaxThreads(out int most, out _);
        ThreadPool.GetAvailableThreads(out int available, out _);
        return Math.Max(0, ThreadPool.ThreadCount - (most - available));
    }
}
