using System.Diagnostics;

namespace BulkIn.UsbMon;

/// <summary>Listens to usbmon on one bus from its creation on, and says what it saw. Root only; Linux with the module <c>usbmon</c>.</summary>
public sealed class Observer : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly UsbMonRing _ring;
    private readonly List<UsbMonEvent> _events = [];
    private readonly object _gate = new();
    private readonly Thread _thread;
    private volatile bool _stop;
    private Exception? _failure;

    /// <summary>Starts to listen.</summary>
    /// <param name="bus">The bus.</param>
    public Observer(int bus)
    {
        _ring = new UsbMonRing(bus);
        _thread = new Thread(Listen) { IsBackground = true, Name = "usbmon" };
        _thread.Start();
    }

    /// <summary>The time in which events are stamped: microseconds since 1970.</summary>
    public static long Now => (DateTime.UtcNow - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;

    /// <summary>What was seen so far, up to and including everything that had happened when this was called.</summary>
    public Timeline Snapshot()
    {
        // The ring is read in order. Of two empty reads from now on the second began after now, so nothing older is left in it.
        lock (_gate)
        {
            int target = EmptyReads + 2;
            long start = Stopwatch.GetTimestamp();
            while (EmptyReads < target && _failure is null)
            {
                if (Stopwatch.GetElapsedTime(start) > Patience)
                {
                    throw new TimeoutException("usbmon tells more than can be read.");
                }

                _ring.Wake();
                Monitor.Wait(_gate, Patience);
            }

            return _failure is null ? new Timeline([.. _events], _ring.Dropped) : throw new IOException("usbmon stopped.", _failure);
        }
    }

    /// <summary>Forgets what was seen so far: a long case that needs no more of it would hold all of it.</summary>
    public void Forget()
    {
        lock (_gate)
        {
            _events.Clear();
        }
    }

    /// <summary>Stops listening.</summary>
    public void Dispose()
    {
        _stop = true;
        _ring.Wake();
        _thread.Join();
        _ring.Dispose();
    }

    private int EmptyReads { get; set; }

#pragma warning disable CA1031 // Kept for the one who asks; there is nobody above this thread.
    private void Listen()
    {
        List<UsbMonEvent> batch = [];
        try
        {
            while (!_stop)
            {
                batch.Clear();
                bool any = _ring.Read(batch);
                lock (_gate)
                {
                    _events.AddRange(batch);
                    EmptyReads += any ? 0 : 1;
                    Monitor.PulseAll(_gate);
                }

                if (!any && !_stop)
                {
                    _ring.Wait();
                }
            }
        }
        catch (Exception exception)
        {
            lock (_gate)
            {
                _failure = exception;
                Monitor.PulseAll(_gate);
            }
        }
    }
#pragma warning restore CA1031
}
