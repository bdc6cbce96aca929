using System.Diagnostics.CodeAnalysis;

namespace BulkIn.Testing;

/// <summary>What one kind of call will be answered: a list of steps, used up one call at a time; calls beyond the script get the natural answer. Thread-safe.</summary>
/// <typeparam name="T">The answer to one call.</typeparam>
public sealed class SimulationScript<T>
{
    private readonly Lock _sync = new();
    private readonly Queue<(T? Step, bool Natural, int Times)> _steps = new();
    private Func<bool>? _condition;
    private T? _always;
    private bool _hasAlways;
    private volatile bool _isEmpty = true;

    internal SimulationScript()
    {
    }

    /// <summary>Adds a step for the next calls that have none yet.</summary>
    /// <param name="step">The answer.</param>
    /// <param name="times">For how many calls, at least 1.</param>
    /// <returns>This script, for more steps.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="times"/> is not positive.</exception>
    public SimulationScript<T> Next(T step, int times = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(times);
        return Add((step, Natural: false, times));
    }

    /// <summary>Lets the next calls that have no step yet get the natural answer: <c>Skip(3).Next(x)</c> answers the fourth call with x.</summary>
    /// <param name="times">For how many calls, at least 0.</param>
    /// <returns>This script, for more steps.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="times"/> is negative.</exception>
    public SimulationScript<T> Skip(int times)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(times);
        return times == 0 ? this : Add((default, Natural: true, times));
    }

    /// <summary>Answers every call after the listed steps, until <see cref="Reset"/> or for as long as a condition holds.</summary>
    /// <param name="step">The answer.</param>
    /// <param name="condition">Asked at each call, on the caller's thread and possibly under the queue's lock: it must only look at test data.
    /// Default: always.</param>
    public void Always(T step, Func<bool>? condition = null)
    {
        lock (_sync)
        {
            _always = step;
            _hasAlways = true;
            _condition = condition;
            _isEmpty = false;
        }
    }

    /// <summary>Forgets all steps: natural answers from now on.</summary>
    public void Reset()
    {
        lock (_sync)
        {
            _steps.Clear();
            _hasAlways = false;
            _always = default;
            _condition = null;
            _isEmpty = true;
        }
    }

    internal bool TryTake([MaybeNullWhen(false)] out T step)
    {
        step = default;
        if (_isEmpty)
        {
            return false;
        }

        Func<bool>? condition;
        lock (_sync)
        {
            if (_steps.TryDequeue(out (T? Step, bool Natural, int Times) next))
            {
                if (next.Times > 1)
                {
                    Requeue((next.Step, next.Natural, next.Times - 1));
                }

                _isEmpty = _steps.Count == 0 && !_hasAlways;
                step = next.Step!;
                return !next.Natural;
            }

            if (!_hasAlways)
            {
                return false;
            }

            step = _always!;
            condition = _condition;
        }

        return condition is null || condition();
    }

    private SimulationScript<T> Add((T? Step, bool Natural, int Times) entry)
    {
        lock (_sync)
        {
            _steps.Enqueue(entry);
            _isEmpty = false;
        }

        return this;
    }

    // A queue has no way to put an entry back at its head, so the others go round once.
    private void Requeue((T? Step, bool Natural, int Times) head)
    {
        int behind = _steps.Count;
        _steps.Enqueue(head);
        for (int i = 0; i < behind; i++)
        {
            _steps.Enqueue(_steps.Dequeue());
        }
    }
}
