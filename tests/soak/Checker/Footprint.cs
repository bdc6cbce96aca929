using System.Diagnostics;
using System.Runtime.InteropServices;

namespace BulkIn.Soak;

/// <summary>What the process holds: live managed bytes, resident bytes, threads without the pool's idle ones, whose number is the runtime's affair, and open handles (descriptors on Linux).</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Footprint(long Managed, long Resident, int Threads, int Handles)
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
        return new Footprint(managed, self.WorkingSet64, self.Threads.Count - IdlePoolThreads(), handles);
    }

    private static int IdlePoolThreads()
    {
        ThreadPool.GetMaxThreads(out int most, out _);
        ThreadPool.GetAvailableThreads(out int available, out _);
        return Math.Max(0, ThreadPool.ThreadCount - (most - available));
    }

    /// <summary>The smaller of each.</summary>
    public static Footprint Min(Footprint one, Footprint other) => new(
        Math.Min(one.Managed, other.Managed), Math.Min(one.Resident, other.Resident), Math.Min(one.Threads, other.Threads), Math.Min(one.Handles, other.Handles));

    public override string ToString() =>
        FormattableString.Invariant($"{Managed / 1024.0 / 1024.0:0.0} MiB managed, {Resident / 1024.0 / 1024.0:0.0} MiB resident, {Threads} threads, {Handles} handles");
}
