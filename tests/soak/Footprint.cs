using System.Diagnostics;
using System.Runtime.InteropServices;

namespace BulkIn.Soak;

/// <summary>What the process holds: live managed bytes, threads, and open handles (descriptors on Linux).</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Footprint(long Bytes, int Threads, int Handles)
{
    // Well above the noise of pools and caches, well below what a leak of one object per fault or per opening makes.
    private const long MoreBytes = 8 << 20;
    private const int MoreThreads = 12;
    private const int MoreHandles = 24;

    public static Footprint Take()
    {
        for (int i = 0; i < 2; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        long bytes = GC.GetTotalMemory(forceFullCollection: true);
        using Process self = Process.GetCurrentProcess();
        int handles = Directory.Exists("/proc/self/fd") ? Directory.GetFileSystemEntries("/proc/self/fd").Length : self.HandleCount;
        return new Footprint(bytes, self.Threads.Count, handles);
    }

    /// <summary>Says what grew beyond noise since an earlier look, or null.</summary>
    public string? GrownSince(Footprint earlier) =>
        Bytes > earlier.Bytes + MoreBytes || Threads > earlier.Threads + MoreThreads || Handles > earlier.Handles + MoreHandles
            ? $"from {earlier} to {this}"
            : null;

    public override string ToString() => FormattableString.Invariant($"{Bytes / 1024.0 / 1024.0:0.0} MiB, {Threads} threads, {Handles} handles");
}
