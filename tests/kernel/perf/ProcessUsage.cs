using System.Globalization;
using System.Runtime.InteropServices;

namespace BulkIn.Bench.Perf;

/// <summary>What this process has used so far: CPU time of all threads, waits (voluntary context switches), allocated bytes.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly partial record struct ProcessUsage(long CpuNanoseconds, long Switches, long Allocated)
{
    public static unsafe ProcessUsage Now()
    {
        // struct rusage on 64-bit Linux: two timevals, then 14 longs of which the 13th is ru_nvcsw.
        const int Longs = 18;
        const int VoluntarySwitches = 16;
        long* usage = stackalloc long[Longs];

        // SAFETY: the array is as long as the structure.
        if (getrusage(0, usage) != 0)
        {
            throw new InvalidOperationException("getrusage failed.");
        }

        return new ProcessUsage(((usage[0] + usage[2]) * 1_000_000_000) + ((usage[1] + usage[3]) * 1000), usage[VoluntarySwitches], GC.GetTotalAllocatedBytes(precise: true));
    }

    public static ProcessUsage operator -(ProcessUsage after, ProcessUsage before) =>
        new(after.CpuNanoseconds - before.CpuNanoseconds, after.Switches - before.Switches, after.Allocated - before.Allocated);

    /// <summary>As a contestant's figures.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"cpu_ns={CpuNanoseconds} switches={Switches} allocated={Allocated}");

#pragma warning disable IDE1006, SA1300 // The name of the C function.
    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static unsafe partial int getrusage(int who, long* usage);
#pragma warning restore IDE1006, SA1300
}
