namespace BulkIn.Backends;

/// <summary>Memory that does not move and outlives every transfer it is submitted with.</summary>
/// <remarks>
/// One owner at a time: the queue (free, ready or being copied), the transport (posted) or a lease. Only the owner may touch the bytes, and
/// only the queue disposes, after the transport and every lease gave the buffer back.
/// </remarks>
public abstract class TransferBuffer : IDisposable
{
    /// <summary>The address of the first byte. Valid until <see cref="Dispose()"/>.</summary>
    public abstract nint Address { get; }

    /// <summary>The whole buffer. Valid until <see cref="Dispose()"/>.</summary>
    public abstract Memory<byte> Memory { get; }

    /// <summary>Bytes.</summary>
    public int Length => Memory.Length;

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the memory.</summary>
    /// <param name="disposing">True from <see cref="Dispose()"/>.</param>
    protected abstract void Dispose(bool disposing);
}
