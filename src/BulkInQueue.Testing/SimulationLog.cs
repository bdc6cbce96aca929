using System.Globalization;
using System.Text;

namespace BulkIn.Testing;

/// <summary>The ordered record of what the queue called and what the device did. Holds the newest <see cref="Capacity"/> events. Thread-safe.</summary>
public sealed class SimulationLog
{
    private readonly Lock _sync = new();
    private SimulatedEvent[] _ring = [];
    private long _count;

    internal SimulationLog(int capacity) => Capacity = capacity;

    /// <summary>How many events are kept; 0 records nothing.</summary>
    public int Capacity { get; }

    /// <summary>Events recorded so far, with those no longer held.</summary>
    public long Count
    {
        get
        {
            lock (_sync)
            {
                return _count;
            }
        }
    }

    /// <summary>A snapshot of the events held, oldest first.</summary>
    public IReadOnlyList<SimulatedEvent> Events => Tail(int.MaxValue);

    /// <summary>A snapshot of the newest events, oldest first.</summary>
    /// <param name="count">At most so many, not negative.</param>
    /// <returns>The events.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="count"/> is negative.</exception>
    public IReadOnlyList<SimulatedEvent> Tail(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        lock (_sync)
        {
            int held = (int)Math.Min(Math.Min(_count, Capacity), count);
            SimulatedEvent[] events = new SimulatedEvent[held];
            for (int i = 0; i < held; i++)
            {
                events[i] = _ring[(int)((_count - held + i) % _ring.Length)];
            }

            return events;
        }
    }

    /// <summary>A snapshot of the events of one kind, oldest first.</summary>
    /// <param name="kind">The kind.</param>
    /// <returns>The events.</returns>
    public IReadOnlyList<SimulatedEvent> OfKind(SimulatedEventKind kind) => [.. Events.Where(e => e.Kind == kind)];

    /// <summary>The newest 40 events, one per line, for a failure message.</summary>
    /// <returns>The text.</returns>
    public override string ToString() => Describe(40);

    /// <summary>The newest events, one per line.</summary>
    /// <param name="count">At most so many, not negative.</param>
    /// <returns>The text.</returns>
    public string Describe(int count)
    {
        IReadOnlyList<SimulatedEvent> tail = Tail(count);
        if (tail.Count == 0)
        {
            return Capacity == 0 ? "  (the record is off)" : "  (nothing happened)";
        }

        StringBuilder text = new();
        if (Count > tail.Count)
        {
            text.Append(CultureInfo.InvariantCulture, $"  … {Count - tail.Count} earlier events\n");
        }

        foreach (SimulatedEvent entry in tail)
        {
            text.Append(CultureInfo.InvariantCulture, $"  {entry}\n");
        }

        return text.ToString().TrimEnd('\n');
    }

    internal void Add(in SimulatedEvent entry)
    {
        lock (_sync)
        {
            if (_count == _ring.Length && _ring.Length < Capacity)
            {
                // Nothing has wrapped yet while the ring still grows, so index = sequence holds across the copy.
                Array.Resize(ref _ring, (int)Math.Min(Capacity, Math.Max(64L, 2L * _ring.Length)));
            }

            _ring[(int)(_count % _ring.Length)] = entry with { Sequence = _count };
            _count++;
        }
    }
}
