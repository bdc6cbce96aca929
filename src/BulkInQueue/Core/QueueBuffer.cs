using BulkIn.Backends;

namespace BulkIn.Core;

/// <summary>
/// A buffer of the queue. One owner at a time: the free list, a posted slot, the ready list, the reader, or a lease.
/// </summary>
internal sealed class QueueBuffer : LeasedBuffer
{
    private readonly SlotPool _pool;

    public QueueBuffer(SlotPool pool, TransferBuffer memory)
    {
        _pool = pool;
        Storage = memory;
        Memory = memory.Memory;
        Length = memory.Length;
    }

    public TransferBuffer Storage { get; }

    public int Length { get; }

    /// <summary>Reader → lease.</summary>
    /// <inheritdoc/>
    public override int Lease()
    {
        _pool.CountLease(+1);
        return base.Lease();
    }

    /// <summary>Lease → pool.</summary>
    protected override void OnReturned()
    {
        _pool.CountLease(-1);
        _pool.Return(this);
    }
}
