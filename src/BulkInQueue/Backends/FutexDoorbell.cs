using System.Runtime.InteropServices;

namespace BulkIn.Backends;

/// <summary>On a futex(2) of Linux: a wake-up is one system call, without a lock.</summary>
/// <remarks>
/// <code>
/// 0 quiet --Await--> 1 sleeping --Ring--> 2 rung --Await--> 0 quiet
/// 0 quiet --Ring--> 2 rung
/// </code>
/// </remarks>
internal sealed unsafe partial class FutexDoorbell : Doorbell
{
    private const int Quiet = 0;
    private const int Sleeping = 1;
    private const int Rung = 2;

    // FUTEX_WAIT and FUTEX_WAKE, each with FUTEX_PRIVATE_FLAG: one process.
    private const nint Wait = 128;
    private const nint Wake = 129;

    // SYS_futex; 0 where it is not known. Ahead of the probe, which uses it.
    private static readonly nint Number = RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 202,
        Architecture.Arm64 or Architecture.RiscV64 or Architecture.LoongArch64 => 98,
        _ => 0,
    };

    // Pinned and reachable from this object, which each of the two threads holds while it is in a call: the kernel never sees an address that moves or is gone.
    private readonly int[] _word = GC.AllocateArray<int>(1, pinned: true);

    private int* Address => (int*)Marshal.UnsafeAddrOfPinnedArrayElement(_word, 0);

    /// <summary>True where the call's number is known and the kernel answers it.</summary>
    public static bool IsSupported { get; } = Probe();

    public override void Ring()
    {
        // The exchange is a full fence: what the ringer wrote before it is seen by whoever takes the ring.
        if (Interlocked.Exchange(ref _word[0], Rung) == Sleeping)
        {
            _ = SystemCall(Number, Address, Wake, 1, timeout: 0);
            GC.KeepAlive(this);
        }
    }

    public override void Await()
    {
        if (Interlocked.CompareExchange(ref _word[0], Sleeping, Quiet) == Quiet)
        {
            // It returns without a ring, too: after a signal, or when the word had changed already. The kernel compares and sleeps in one step, so no ring falls between.
            while (Volatile.Read(ref _word[0]) == Sleeping)
            {
                _ = SystemCall(Number, Address, Wait, Sleeping, timeout: 0);
            }

            GC.KeepAlive(this);
        }

        // A ring that comes between the look and this is one with that which was seen: its writes precede it, and are read after this.
        _ = Interlocked.Exchange(ref _word[0], Quiet);
    }

    private static bool Probe()
    {
        if (!OperatingSystem.IsLinux() || Number == 0)
        {
            return false;
        }

        try
        {
            // Nobody sleeps there: 0 woken. A sandbox that forbids the call, or a library without it, leaves the event.
            int nobody = 0;
            return SystemCall(Number, &nobody, Wake, 1, timeout: 0) == 0;
        }
        catch (Exception absent) when (absent is DllNotFoundException or EntryPointNotFoundException)
        {
            return false;
        }
    }

    // Declared with the arguments it is used with: where it is supported, a variable argument list is passed as any other.
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial nint SystemCall(nint number, int* word, nint operation, nint value, nint timeout);
}
