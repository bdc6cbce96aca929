using System.Runtime.InteropServices;

namespace BulkIn.Gadgets;

/// <summary>
/// Keeps every signal from the calling thread until it is disposed of: FunctionFS takes back a transfer whose call a signal interrupts and does not say how much of it went over
/// the bus, and the runtime itself sends signals. Only for system calls: while it waits in one, the runtime needs no signal to stop the thread.
/// </summary>
internal readonly unsafe ref struct SignalsBlocked : IDisposable
{
    private const int Set = 2;

    // sigset_t: 1024 bits.
    private const int Words = 16;

    private readonly SignalSet _before;

    public SignalsBlocked()
    {
        SignalSet all;
        new Span<ulong>(all.Bits, Words).Fill(ulong.MaxValue);
        fixed (SignalSet* before = &_before)
        {
            _ = NativeMethods.Mask(Set, &all, before);
        }
    }

    public void Dispose()
    {
        fixed (SignalSet* before = &_before)
        {
            _ = NativeMethods.Mask(Set, before, null);
        }
    }

    private struct SignalSet
    {
        public fixed ulong Bits[Words];
    }

    private static class NativeMethods
    {
        // SAFETY: both sets are on the caller's stack, as long as glibc's, and not kept.
        [DllImport("libc", EntryPoint = "pthread_sigmask")]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int Mask(int how, SignalSet* set, SignalSet* before);
    }
}
