using System.Runtime.InteropServices;
using BulkIn.UsbMon;

namespace BulkIn.Bench;

/// <summary>
/// Tells when this machine could not even run a thread that had nothing to do but to wake up: an emulated processor stands still whenever the host runs
/// something else. What nobody could have done in that time is nobody's fault, so promises about time are judged without it.
/// </summary>
/// <remarks>
/// A thread for each processor sleeps for a moment, again and again, and notes when it woke far too late. It is independent of the library: whatever the
/// library does wrong, these threads wake in time.
/// </remarks>
internal sealed partial class StallWitness : IDisposable
{
    private static readonly TimeSpan Nap = TimeSpan.FromMilliseconds(4);

    private readonly object _gate = new();
    private readonly List<TimeWindow> _stalls = [];
    private readonly List<Thread> _threads = [];
    private readonly long[] _woken = new long[Environment.ProcessorCount];
    private readonly long _late;
    private readonly long _recovery;
    private volatile bool _stop;

    /// <summary>Starts to watch.</summary>
    /// <param name="late">How late a wake-up counts as a stall.</param>
    /// <param name="recovery">How long after a stall everybody may take to catch up.</param>
    public StallWitness(TimeSpan late, TimeSpan recovery)
    {
        _late = (long)late.TotalMicroseconds;
        _recovery = (long)recovery.TotalMicroseconds;
        for (int processor = 0; processor < _woken.Length; processor++)
        {
            int mine = processor;
            var thread = new Thread(() => Watch(mine)) { IsBackground = true, Name = $"stall witness {processor}" };
            _threads.Add(thread);
            thread.Start();
        }
    }

    /// <summary>The stalls up to now, each with the time to catch up, in the time of usbmon's events.</summary>
    public IReadOnlyList<TimeWindow> Stalls()
    {
        lock (_gate)
        {
            // A processor that stands still just now tells when it goes on.
            long now = Observer.Now;
            while (Array.Exists(_woken, woken => woken < now))
            {
                Monitor.Wait(_gate);
            }

            return [.. _stalls];
        }
    }

    public void Dispose()
    {
        _stop = true;
        _threads.ForEach(thread => thread.Join());
    }

    private void Watch(int processor)
    {
        nuint mask = (nuint)1 << processor;
        if (SetAffinity(0, Marshal.SizeOf<nuint>(), mask) != 0)
        {
            throw new InvalidOperationException($"A thread cannot be bound to processor {processor}.");
        }

        while (!_stop)
        {
            long due = Observer.Now + (long)Nap.TotalMicroseconds;
            Thread.Sleep(Nap);
            long woken = Observer.Now;
            lock (_gate)
            {
                _woken[processor] = woken;
                if (woken - due > _late)
                {
                    _stalls.Add(new TimeWindow(due, woken + _recovery));
                }

                Monitor.PulseAll(_gate);
            }
        }
    }

    // SAFETY: the kernel reads one word, of the size given. 0 is the calling thread.
    [LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetAffinity(int thread, nint size, in nuint mask);
}
