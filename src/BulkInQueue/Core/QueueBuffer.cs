using BulkIn.Backends;

namespace BulkIn.Core;

/// <summary>
/// A buffer of the queue and the generation of its leases. One owner at a time: the free list, a posted slot, the ready list, the
/// reader, or a lease.
/// </summary>
internal sealed class QueueBuffer(SlotPool pool, TransferBuffer memory)
{
    // Odd while leased. A lease holds the odd value it was given; the one who moves it to the next even value is the one who returns the buffer.
    private int _leaseGeneration;

    public TransferBuffer Storage { get; } = memory;

    public Memory<byte> Memory { get; } = memory.Memory;

    public int Length { get; } = memory.Length;

    /// <summary>Reader → lease.</summary>
    /// <returns>The generation by which the lease proves itself.</returns>
    public int Lease()
    {
        pool.CountLease(+1);
        return Interlocked.Increment(ref _leaseGeneration);
    }

    public bool IsLeased(int generation) => Volatile.Read(ref _leaseGeneration) == generation;

    /// <summary>Lease → pool, once for each generation, however many copies of the lease are returned and from whatever threads.</summary>
    public void ReturnLease(int generation)
    {
        if (Interlocked.CompareExchange(ref _leaseGeneration, generation + 1, generation) == generation)
        {
            pool.CountLease(-1);
            pool.Return(this);
        }
    }
}
