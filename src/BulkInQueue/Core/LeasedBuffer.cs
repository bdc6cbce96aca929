namespace BulkIn.Core;

/// <summary>Memory that is lent out, to one lease at a time, and the generation by which that lease proves itself.</summary>
internal abstract class LeasedBuffer
{
    // Odd while leased. A lease holds the odd value it was given; the one who moves it to the next even value is the one who returns the buffer.
    private int _generation;

    /// <summary>Constant while leased.</summary>
    public Memory<byte> Memory { get; protected set; }

    /// <summary>Owner → lease.</summary>
    /// <returns>The generation of the lease.</returns>
    public virtual int Lease() => Interlocked.Increment(ref _generation);

    public bool IsLeased(int generation) => Volatile.Read(ref _generation) == generation;

    /// <summary>Lease → owner, once for each generation, however many copies of the lease are returned and from whatever threads.</summary>
    public void ReturnLease(int generation)
    {
        if (Interlocked.CompareExchange(ref _generation, generation + 1, generation) == generation)
        {
            OnReturned();
        }
    }

    /// <summary>The lease came back; nobody else calls this for the same lease.</summary>
    protected abstract void OnReturned();
}
