namespace BulkIn.Core;

/// <summary>
/// Ends the reader's wait at its deadline, with one timer for all waits: it is left armed when a wait ends early and looks at the deadline
/// of that moment when it ticks, so a receive loop with a timeout touches the timer about once per timeout, not once per receive.
/// </summary>
internal sealed class WaitDeadline(ReaderSignal signal, TimeProvider time) : IDisposable
{
    private const long None = long.MaxValue;

    // Guards _timer and the writes of _timerDue; never held around anything but the timer's own calls.
    private readonly Lock _gate = new();
    private long _deadline = None;
    private long _timerDue = None;
    private ITimer? _timer;
    private bool _disposed;

    /// <summary>Sets the deadline of the wait that was just armed.</summary>
    /// <remarks>After the arming, not before: a tick that finds no wait armed ends nothing, and would leave no timer behind for the wait to come.</remarks>
    /// <param name="deadline">A timestamp of the time provider, or <see langword="null"/> for none.</param>
    public void Set(long? deadline)
    {
        Volatile.Write(ref _deadline, deadline ?? None);
        if (deadline is not { } due)
        {
            return;
        }

        // Fence against Tick: either it sees this deadline and re-arms the timer, or this thread sees that the timer is no longer armed.
        Interlocked.MemoryBarrier();
        if (due < Volatile.Read(ref _timerDue))
        {
            lock (_gate)
            {
                ArmUnsynchronized(due, time.GetTimestamp());
            }
        }
    }

    /// <summary>The wait ended; a later tick finds nothing to end.</summary>
    public void Clear() => Volatile.Write(ref _deadline, None);

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _timer?.Dispose();
        }
    }

    private void Tick()
    {
        while (true)
        {
            // The word first: should a new wait be armed after this, the compare-and-swap on its word fails whatever deadline is read next.
            long word = signal.Word;
            lock (_gate)
            {
                Volatile.Write(ref _timerDue, None);
                Interlocked.MemoryBarrier();
                long deadline = Volatile.Read(ref _deadline);
                long now = time.GetTimestamp();
                if (deadline > now)
                {
                    if (deadline != None)
                    {
                        ArmUnsynchronized(deadline, now);
                    }

                    return;
                }
            }

            // A wait armed since the word was read may own the deadline that expired: look again. One armed later than this second look sees in Set
            // that the timer is no longer armed.
            if (signal.WakeIfStill(word, WakeReason.Timeout) || signal.Word == word)
            {
                return;
            }
        }
    }

    private void ArmUnsynchronized(long due, long now)
    {
        if (_disposed)
        {
            return;
        }

        Volatile.Write(ref _timerDue, due);

        // Rounded up to the timer's millisecond: a tick before the deadline would only arm again.
        TimeSpan delay = TimeSpan.FromMilliseconds(Math.Ceiling(Math.Max(0, time.GetElapsedTime(now, due).TotalMilliseconds)));
        try
        {
            if (_timer is null)
            {
                _timer = time.CreateTimer(static state => ((WaitDeadline)state!).Tick(), this, delay, Timeout.InfiniteTimeSpan);
            }
            else
            {
                _ = _timer.Change(delay, Timeout.InfiniteTimeSpan);
            }
        }
        catch
        {
            // The user's clock threw: nothing is armed, and the next wait must not believe so.
            Volatile.Write(ref _timerDue, None);
            throw;
        }
    }
}
