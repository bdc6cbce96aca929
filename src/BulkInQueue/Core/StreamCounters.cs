using BulkIn.Backends;

namespace BulkIn.Core;

/// <summary>Where the stream has got to, and what it was made of. Written with the pool's gate held, but for the bytes discarded, which anybody counts.</summary>
internal sealed class StreamCounters
{
    // Of everything but data, which is what remains of the stream: so a transfer of data has nothing counted for the meter.
    private readonly long[] _outcomes = new long[TransferOutcomes.Count];
    private long _otherThanData;
    private long _discarded;

    /// <summary>The number that the next transfer gets.</summary>
    public long Sequence { get; private set; }

    public long Bytes { get; private set; }

    public long Discarded => Interlocked.Read(ref _discarded);

    /// <summary>Transfers that completed before one submitted earlier.</summary>
    public long OutOfOrder { get; private set; }

    /// <summary>True from the first byte after <see cref="StartCountingArrivals"/> of a transfer that did not fail; recovery counts its attempts by it.</summary>
    public bool BytesArrived { get; private set; }

    public void StartCountingArrivals() => BytesArrived = false;

    /// <summary>Takes a transfer into the stream.</summary>
    /// <returns>Its number.</returns>
    public long Add(TransferStatus status, bool failed, int length, bool inOrder)
    {
        if (failed || length == 0)
        {
            // The bytes of a failed transfer are no sign of a recovered endpoint: a device that overflows every transfer would be recovered for ever.
            _outcomes[(int)TransferOutcomes.Of(status, failed, length)]++;
            _otherThanData++;
        }
        else
        {
            BytesArrived = true;
        }

        Bytes += length;
        OutOfOrder += inOrder ? 0 : 1;
        return Sequence++;
    }

    /// <summary>Counts a transfer that failed without a byte, and so is not in the stream.</summary>
    public void AddEmptyFailure(TransferStatus status) => _outcomes[(int)TransferOutcomes.Of(status, failed: true, 0)]++;

    public void Discard(long bytes) => Interlocked.Add(ref _discarded, bytes);

    /// <summary>Places a fault behind everything that is in the stream.</summary>
    public void Stamp(Fault fault)
    {
        fault.Sequence = Sequence;
        fault.BytePosition = Bytes;
        fault.IntactFrom = Sequence;
    }

    /// <summary>Adds the transfers ended so far to sums by <see cref="TransferOutcome"/>.</summary>
    public void AddOutcomesTo(long[] totals)
    {
        for (int i = 0; i < _outcomes.Length; i++)
        {
            totals[i] += _outcomes[i];
        }

        totals[(int)TransferOutcome.Data] += Sequence - _otherThanData;
    }
}
