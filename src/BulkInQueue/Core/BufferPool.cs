using System.Diagnostics;
using BulkIn.Backends;

namespace BulkIn.Core;

/// <summary>
/// The buffers of the queue that are free, and the count of everything that stands on the backend: each buffer, and the transfers together. Whoever frees the last of
/// them disposes of the backend, be it a lease that outlived the queue.
/// </summary>
/// <remarks>The free list is guarded by the pool's gate; the count is not, because buffers are freed outside of it.</remarks>
internal sealed class BufferPool
{
    private readonly GuardedBackend _backend;

    // A stack, the first Count of them: the buffer that came back last is the one still in the caches.
    private readonly QueueBuffer[] _free;

    // One for the transfers.
    private int _standing = 1;

    /// <summary>An empty pool.</summary>
    /// <param name="backend">Disposed of when nothing stands on it any more.</param>
    /// <param name="capacity">How many buffers there will be.</param>
    public BufferPool(GuardedBackend backend, int capacity)
    {
        _backend = backend;
        _free = new QueueBuffer[capacity];
    }

    /// <summary>Free buffers. Gate held.</summary>
    public int Count { get; private set; }

    /// <summary>Allocates one more buffer, free. Only while the queue is built.</summary>
    public void Allocate(SlotPool pool, int length)
    {
        Put(new QueueBuffer(pool, _backend.AllocateBuffer(length) ?? new PinnedBuffer(length)));
        _standing++;
    }

    /// <summary>The buffer that <see cref="Take"/> would take. Gate held, with one free.</summary>
    public QueueBuffer Peek() => _free[Count - 1];

    /// <summary>Takes a free buffer. Gate held, with one free.</summary>
    /// <remarks>Its place keeps naming it until another buffer lies there: buffers live as long as the pool, and are freed by hand.</remarks>
    public QueueBuffer Take() => _free[--Count];

    /// <summary>A buffer is free again. Gate held.</summary>
    public void Put(QueueBuffer buffer)
    {
        Debug.Assert(Count < _free.Length, "A buffer is free twice.");
        _free[Count++] = buffer;
    }

    /// <summary>Empties the free list for the end. Gate held.</summary>
    public void MoveFreeTo(List<QueueBuffer> buffers)
    {
        buffers.AddRange(_free.AsSpan(0, Count));
        Count = 0;
    }

    /// <summary>Frees a buffer's memory: nobody uses it, and nobody will. Gate not held.</summary>
    public void Free(QueueBuffer buffer)
    {
        _backend.Dispose(buffer.Storage);
        Release();
    }

    /// <summary>The transfers are freed. Until then the backend stays, even when every buffer is gone.</summary>
    public void OnTransfersFreed() => Release();

    private void Release()
    {
        if (Interlocked.Decrement(ref _standing) == 0)
        {
            _backend.Dispose();
        }
    }
}
