namespace BulkIn.VirtualUsb;

/// <summary>The URBs of one endpoint that its script has not answered, and the numbers of the transfers that answer them. Not thread-safe.</summary>
/// <remarks>
/// A number is given out when a statement takes a URB, which is the order submitted. What was answered elsewhere meanwhile, by a halt, is skipped.
/// </remarks>
internal sealed class WaitingUrbs
{
    private readonly Queue<Urb> _waiting = new();
    private readonly List<(Urb Urb, long Sequence)> _held = [];
    private long _next;
    private int _sentByUnlink;

    /// <summary>True when there is one to take.</summary>
    public bool Any
    {
        get
        {
            SkipAnswered();
            return _waiting.Count > 0;
        }
    }

    public void Add(Urb urb) => _waiting.Enqueue(urb);

    /// <summary>Takes the oldest.</summary>
    /// <param name="numbered">True when its answer carries data.</param>
    /// <param name="urb">The URB.</param>
    /// <param name="sequence">The number of its data, or -1.</param>
    /// <returns>False when there is none.</returns>
    public bool TryTake(bool numbered, out Urb urb, out long sequence)
    {
        SkipAnswered();
        bool any = _waiting.TryDequeue(out Urb? next);
        urb = next!;
        sequence = any && numbered ? _next++ : -1;
        return any;
    }

    /// <summary>Puts the oldest aside, all or none.</summary>
    /// <returns>False when there are not as many.</returns>
    public bool TryHold(int count)
    {
        SkipAnswered();
        if (_waiting.Count < count)
        {
            return false;
        }

        for (int index = 0; index < count; index++)
        {
            _held.Add((_waiting.Dequeue(), _next++));
        }

        return true;
    }

    /// <summary>Takes what was put aside, in the order submitted.</summary>
    public (Urb Urb, long Sequence)[] TakeHeld()
    {
        (Urb, long)[] held = [.. _held];
        _held.Clear();
        return held;
    }

    /// <summary>Takes a URB that the host wants back.</summary>
    /// <returns>The number its data would have had: that of its place in the queue, since data fills URBs in the order submitted, whatever the order in
    /// which they are unlinked; -1 when it waits for nothing.</returns>
    public long Forget(Urb urb)
    {
        int held = _held.FindIndex(entry => entry.Urb == urb);
        if (held >= 0)
        {
            long number = _held[held].Sequence;
            _held.RemoveAt(held);
            return number;
        }

        long sequence = -1;
        for (int index = 0, count = _waiting.Count; index < count; index++)
        {
            Urb entry = _waiting.Dequeue();
            if (entry == urb)
            {
                sequence = _next + index;
            }
            else
            {
                _waiting.Enqueue(entry);
            }
        }

        return sequence;
    }

    /// <summary>A forgotten URB was answered with its data. Its number is used up once nothing older waits.</summary>
    public void CountSentByUnlink()
    {
        _sentByUnlink++;
        if (_waiting.Count == 0)
        {
            _next += _sentByUnlink;
            _sentByUnlink = 0;
        }
    }

    private void SkipAnswered()
    {
        while (_waiting.TryPeek(out Urb? oldest) && oldest.IsAnswered)
        {
            _waiting.Dequeue();
        }
    }
}
