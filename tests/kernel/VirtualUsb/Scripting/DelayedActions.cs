namespace BulkIn.VirtualUsb;

/// <summary>Runs actions at their time, in order of time and then of entry, on one thread.</summary>
internal sealed class DelayedActions : IDisposable
{
    private readonly Lock _gate = new();
    private readonly PriorityQueue<Action, (long Due, long Entry)> _queue = new();
    private readonly ITimer _timer;
    private readonly TimeProvider _time;
    private long _entries;
    private bool _running;
    private bool _disposed;

    public DelayedActions(TimeProvider time)
    {
        _time = time;
        _timer = time.CreateTimer(static state => ((DelayedActions)state!).RunDue(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public void Add(TimeSpan delay, Action action)
    {
        lock (_gate)
        {
            _queue.Enqueue(action, (_time.GetTimestamp() + ToTicks(delay), _entries++));
            Arm();
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _queue.Clear();
        }

        _timer.Dispose();
    }

    private long ToTicks(TimeSpan time) => (long)(time.TotalSeconds * _time.TimestampFrequency);

    // Under _gate.
    private void Arm()
    {
        if (_disposed || _running || !_queue.TryPeek(out _, out (long Due, long Entry) first))
        {
            return;
        }

        TimeSpan wait = _time.GetElapsedTime(_time.GetTimestamp(), first.Due);
        // A timer counts whole milliseconds and rounds down; too early would only arm it again.
        _timer.Change(wait <= TimeSpan.Zero ? TimeSpan.Zero : wait + TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
    }

    private void RunDue()
    {
        lock (_gate)
        {
            if (_running)
            {
                return;
            }

            _running = true;
        }

        while (TakeDue() is { } action)
        {
            action();
        }
    }

    private Action? TakeDue()
    {
        lock (_gate)
        {
            if (!_disposed && _queue.TryPeek(out Action? action, out (long Due, long Entry) first) && first.Due <= _time.GetTimestamp())
            {
                _queue.Dequeue();
                return action;
            }

            _running = false;
            Arm();
            return null;
        }
    }
}
