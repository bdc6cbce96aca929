using System.Diagnostics;

namespace BulkIn.Core;

/// <summary>
/// The posted slots in submission order: a ring that never grows, because a slot is in it at most once. The head is the cursor. All members
/// are called with the pool's gate held.
/// </summary>
internal sealed class PostedFifo(int depth)
{
    private readonly Slot[] _ring = new Slot[depth];
    private int _head;

    public int Count { get; private set; }

    /// <summary>The slot <paramref name="age"/> places behind the head.</summary>
    public Slot this[int age]
    {
        get
        {
            Debug.Assert((uint)age < (uint)Count, "Beyond the tail.");
            int at = _head + age;
            return _ring[at < _ring.Length ? at : at - _ring.Length];
        }
    }

    public Slot? Head => Count == 0 ? null : _ring[_head];

    public void Enqueue(Slot slot)
    {
        Debug.Assert(Count < _ring.Length, "A slot was enqueued twice.");
        int tail = _head + Count;
        _ring[tail < _ring.Length ? tail : tail - _ring.Length] = slot;
        Count++;
    }

    public Slot Dequeue()
    {
        Debug.Assert(Count > 0, "Nothing is posted.");
        Slot slot = _ring[_head];
        _head = _head + 1 < _ring.Length ? _head + 1 : 0;
        Count--;
        return slot;
    }

    /// <summary>Takes back the newest entry, whose submit was refused.</summary>
    public void RollBackTail(Slot slot)
    {
        Debug.Assert(this[Count - 1] == slot, "Only the newest entry can be taken back.");
        Count--;
    }
}
