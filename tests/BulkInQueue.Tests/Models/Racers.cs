using Xunit;

namespace BulkIn;

/// <summary>Threads that do their actions at one moment, again and again, each after a few random turns of its own.</summary>
internal sealed class Racers : IDisposable
{
    // Long enough for the one to pass the other in either direction, short beside a thread switch.
    private const int LongestSpin = 200;

    private readonly Barrier _start;
    private readonly Barrier _end;
    private readonly Thread[] _threads;
    private volatile bool _isOver;
    private volatile Exception? _failure;

    public Racers(params Action[] actions)
    {
        _start = new Barrier(actions.Length + 1);
        _end = new Barrier(actions.Length + 1);
        _threads = [.. actions.Select((action, i) => new Thread(() => Run(action, new Random(i))) { IsBackground = true })];
        foreach (Thread thread in _threads)
        {
            thread.Start();
        }
    }

    /// <summary>All begin now.</summary>
    public void Start() => Pass(_start);

    /// <summary>Waits until all are done.</summary>
    public void Join()
    {
        Pass(_end);
        if (_failure is { } failure)
        {
            throw new InvalidOperationException("A racer failed.", failure);
        }
    }

    public void Dispose()
    {
        _isOver = true;
        _start.RemoveParticipant();
        foreach (Thread thread in _threads)
        {
            thread.Join();
        }

        _start.Dispose();
        _end.Dispose();
    }

    private static void Pass(Barrier barrier)
    {
        if (!barrier.SignalAndWait(Bounded.Limit))
        {
            throw new TimeoutException("The racers do not come together: one of them hangs.");
        }
    }

    private void Run(Action action, Random random)
    {
        while (true)
        {
            _start.SignalAndWait();
            if (_isOver)
            {
                return;
            }

            Thread.SpinWait(random.Next(LongestSpin));
            _failure = Record.Exception(action) ?? _failure;
            _end.SignalAndWait();
        }
    }
}
