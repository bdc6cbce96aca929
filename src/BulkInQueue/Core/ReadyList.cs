namespace BulkIn.Core;

/// <summary>
/// The front of the stream: data that left its slot, and faults at their positions. Everything in it precedes everything posted. All members are called with the pool's
/// gate held.
/// </summary>
internal sealed class ReadyList(int capacity)
{
    private readonly Queue<ReadyItem> _items = new(capacity);

    // Thrown again and again while it is at the head; the others are thrown once.
    private Fault? _sticky;

    public int Count => _items.Count;

    /// <summary>Transfers that wait to be delivered.</summary>
    public int Transfers
    {
        get
        {
            int transfers = 0;
            foreach (ReadyItem item in _items)
            {
                transfers += item.Fault is null ? 1 : 0;
            }

            return transfers;
        }
    }

    /// <summary>Bytes that wait to be delivered.</summary>
    public long Bytes
    {
        get
        {
            long bytes = 0;
            foreach (ReadyItem item in _items)
            {
                bytes += item.Fault is null ? item.Data.Length : 0;
            }

            return bytes;
        }
    }

    public void Add(in Received data) => _items.Enqueue(new ReadyItem(data));

    public void Add(Fault fault) => _items.Enqueue(new ReadyItem(fault));

    /// <summary>Takes the next entry.</summary>
    /// <param name="received">The transfer, for <see cref="TakeOutcome.Data"/>.</param>
    /// <param name="fault">The fault, for <see cref="TakeOutcome.Fault"/>.</param>
    /// <returns>Data; a fault; nothing, when the next entry is a fault that is not classified yet; or null when the list is empty.</returns>
    public TakeOutcome? Take(out Received received, out Fault? fault)
    {
        received = default;
        fault = null;
        DropThrown();
        if (!_items.TryPeek(out ReadyItem item))
        {
            return null;
        }

        if (item.Fault is null)
        {
            received = _items.Dequeue().Data;
            return TakeOutcome.Data;
        }

        if (!item.Fault.Published)
        {
            return TakeOutcome.Nothing;
        }

        // Dropped by the next look, unless it sticks by then.
        item.Fault.Delivered = true;
        fault = item.Fault;
        return TakeOutcome.Fault;
    }

    /// <summary>True when a fault comes before the next data, published or not: one that was not thrown yet, or that sticks.</summary>
    public bool IsFaultNext()
    {
        DropThrown();
        return _items.TryPeek(out ReadyItem item) && item.Fault is not null;
    }

    /// <summary>Makes a fault visible to receives.</summary>
    /// <param name="fault">In the list, or to be put at its end if it sticks.</param>
    /// <param name="sticky">True: it is thrown again and again until <see cref="Unstick"/>; false: once.</param>
    public void Publish(Fault fault, bool sticky)
    {
        fault.Published = true;
        if (!sticky)
        {
            return;
        }

        PublishAll();
        _sticky = fault;
        if (!Contains(fault))
        {
            Add(fault);
        }
    }

    /// <summary>The sticky fault is over: delivered, it disappears; undelivered, it is thrown once.</summary>
    public void Unstick() => _sticky = null;

    /// <summary>Puts <paramref name="better"/> where <paramref name="fault"/> waits undelivered, if it does.</summary>
    public void Replace(Fault fault, Fault better)
    {
        for (int turn = _items.Count; turn > 0; turn--)
        {
            ReadyItem item = _items.Dequeue();
            bool match = ReferenceEquals(item.Fault, fault) && !fault.Delivered;
            _items.Enqueue(match ? new ReadyItem(better) : item);
        }
    }

    /// <summary>True when nothing lies behind the fault.</summary>
    public bool EndsWith(Fault fault)
    {
        Fault? last = null;
        foreach (ReadyItem item in _items)
        {
            last = item.Fault;
        }

        return ReferenceEquals(last, fault);
    }

    /// <summary>Empties the list for the end.</summary>
    /// <param name="buffers">Gets the buffers of what was not delivered.</param>
    public void MoveBuffersTo(List<QueueBuffer> buffers)
    {
        while (_items.TryDequeue(out ReadyItem item))
        {
            if (item.Fault is null)
            {
                buffers.Add(item.Data.Buffer);
            }
        }
    }

    /// <summary>A fault that was thrown leaves nothing behind, unless it sticks.</summary>
    private void DropThrown()
    {
        while (_items.TryPeek(out ReadyItem item) && item.Fault is { Delivered: true } thrown && !ReferenceEquals(thrown, _sticky))
        {
            _ = _items.Dequeue();
        }
    }

    /// <summary>Nobody will classify what is left unclassified: a control turn was cut short, and receives must not wait there for ever.</summary>
    private void PublishAll()
    {
        foreach (ReadyItem item in _items)
        {
            if (item.Fault is { } fault)
            {
                fault.Published = true;
            }
        }
    }

    private bool Contains(Fault fault)
    {
        foreach (ReadyItem item in _items)
        {
            if (ReferenceEquals(item.Fault, fault))
            {
                return true;
            }
        }

        return false;
    }
}
