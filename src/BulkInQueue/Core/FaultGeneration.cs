using BulkIn.Backends;

namespace BulkIn.Core;

/// <summary>
/// Makes one fault of everything that failed between two starts of posting. The first failure in submission order gives its position and, mostly, its error; the others only
/// make it more serious, and tell how far its gaps reach. All members are called with the pool's gate held.
/// </summary>
internal sealed class FaultGeneration(ReadyList ready, StreamCounters counters)
{
    private Fault? _fault;
    private bool _interrupted;
    private bool _missing;

    /// <summary>A transfer failed; what it brought is in the stream.</summary>
    public void AddFailure(TransferStatus status, int nativeStatus)
    {
        _interrupted |= Fault.IsInterruption(status);
        _fault ??= Enqueue(Fault.OfTransfer(status, nativeStatus));
        _fault.IntactFrom = counters.Sequence;
    }

    /// <summary>The transport still has a transfer, or may.</summary>
    public void AddMissing()
    {
        _missing = true;
        _fault ??= Enqueue(new Fault());
        _fault.IntactFrom = counters.Sequence;
    }

    /// <summary>A submit was refused, behind all that had been posted.</summary>
    public void AddRefused(Fault refused)
    {
        if (_fault is null)
        {
            _fault = Enqueue(refused);
            return;
        }

        _fault.Thrown = refused.Thrown;
        if (refused.Class == FaultClass.Terminal)
        {
            _fault.Class = FaultClass.Terminal;
            _fault.Error = refused.Error;
            _fault.Result = refused.Result;
        }
    }

    /// <summary>Everything was added.</summary>
    /// <returns>The fault, unpublished, or <see langword="null"/> when nothing failed.</returns>
    public Fault? Classify()
    {
        if (_fault is { Class: FaultClass.Recoverable } && _interrupted)
        {
            _fault.Class = FaultClass.Interrupted;
            _fault.Error = BulkInError.Interrupted;
        }

        // Whatever failed besides: with transfers still at the transport there is no clearing of a halt and no posting.
        if (_missing && _fault!.Class != FaultClass.Terminal)
        {
            _fault.Class = FaultClass.Interrupted;
            _fault.Error = BulkInError.CompletionMissing;
        }

        return _fault;
    }

    private Fault Enqueue(Fault fault)
    {
        counters.Stamp(fault);
        ready.Add(fault);
        return fault;
    }
}
