using System.Buffers;
using System.Collections.Concurrent;
using BulkIn.Core;

namespace BulkIn.Adapters;

/// <summary>A packet's pooled copy, under a lease of its own. The object is used again and again; its memory is rented for each packet, by the packet's length.</summary>
internal sealed class PumpBuffer : LeasedBuffer
{
    private readonly ConcurrentQueue<PumpBuffer> _free;
    private byte[] _array = [];

    private PumpBuffer(ConcurrentQueue<PumpBuffer> free)
    {
        _free = free;
    }

    /// <summary>Copies a packet and returns its lease.</summary>
    /// <param name="packet">The queue's; returned here.</param>
    /// <param name="free">Where objects wait for the next packet.</param>
    /// <returns>The lease of the copy.</returns>
    public static BulkInLease Copy(in BulkInLease packet, ConcurrentQueue<PumpBuffer> free)
    {
        using BulkInLease original = packet;
        PumpBuffer copy = free.TryDequeue(out PumpBuffer? used) ? used : new PumpBuffer(free);
        copy._array = packet.Length == 0 ? [] : ArrayPool<byte>.Shared.Rent(packet.Length);
        packet.Span.CopyTo(copy._array);
        copy.Memory = copy._array.AsMemory(0, packet.Length);
        return new BulkInLease(copy, packet);
    }

    protected override void OnReturned()
    {
        byte[] array = _array;
        _array = [];
        Memory = default;
        if (array.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(array);
        }

        _free.Enqueue(this);
    }
}
