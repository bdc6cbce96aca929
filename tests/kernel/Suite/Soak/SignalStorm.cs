using System.Globalization;
using System.Runtime.InteropServices;

namespace BulkIn.Bench;

/// <summary>Interrupts system calls all over the process: sends every thread a signal that has a handler and means nothing, again and again.</summary>
internal sealed partial class SignalStorm : IDisposable
{
    private const int WindowChanged = 28;

#pragma warning disable CA1416 // The suite's one system is the Linux guest.
    private readonly PosixSignalRegistration _handler = PosixSignalRegistration.Create(PosixSignal.SIGWINCH, static _ => { });
#pragma warning restore CA1416
    private readonly Timer _timer;

    public SignalStorm() => _timer = new Timer(static _ => Blow(), state: null, TimeSpan.Zero, TimeSpan.FromMilliseconds(100));

    public void Dispose()
    {
        using (var ended = new ManualResetEvent(initialState: false))
        {
            // Nobody may be blowing once the handler is gone.
            if (_timer.Dispose(ended))
            {
                ended.WaitOne();
            }
        }

        _handler.Dispose();
    }

    private static void Blow()
    {
        foreach (string thread in Directory.GetDirectories("/proc/self/task"))
        {
            // Fails for a thread that ended meanwhile.
            _ = Signal(Environment.ProcessId, int.Parse(Path.GetFileName(thread), CultureInfo.InvariantCulture), WindowChanged);
        }
    }

    [LibraryImport("libc", EntryPoint = "tgkill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Signal(int process, int thread, int signal);
}
