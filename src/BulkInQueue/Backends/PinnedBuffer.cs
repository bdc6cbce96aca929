using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace BulkIn.Backends;

/// <summary>A buffer on the pinned object heap: the garbage collector never moves it and frees it once nobody refers to it.</summary>
public sealed class PinnedBuffer : TransferBuffer
{
    // 64 bytes of slack: the pinned heap aligns to 8 only, and two buffers must not share a cache line with each other.
    private const int CacheLine = 64;

    private readonly byte[] _array;

    /// <summary>Allocates a pinned buffer.</summary>
    /// <param name="length">Bytes, positive.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="length"/> is not positive.</exception>
    public unsafe PinnedBuffer(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        _array = GC.AllocateUninitializedArray<byte>(checked(length + CacheLine), pinned: true);

        // SAFETY: the array lives on the pinned object heap, so its address holds for as long as _array is reachable, which is as long as this object is.
        nint start = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_array));
        int skip = (int)(-start & (CacheLine - 1));
        Address = start + skip;
        Memory = MemoryMarshal.CreateFromPinnedArray(_array, skip, length);
    }

    /// <inheritdoc/>
    public override nint Address { get; }

    /// <inheritdoc/>
    public override Memory<byte> Memory { get; }

    /// <summary>Nothing to do: the garbage collector frees the array.</summary>
    /// <param name="disposing">Ignored.</param>
    protected override void Dispose(bool disposing)
    {
    }
}
