using BulkIn.Backends;

namespace BulkIn.Core;

/// <summary>
/// What the thread that completes transfers touches, besides the slot itself. Everything here is reached without a lock, from any thread; nothing allocates, throws or waits.
/// </summary>
/// <param name="watch">Wakes the reader.</param>
/// <param name="controlWanted">Called, from any thread and with the gate held or not, when a fault was latched. It only signals.</param>
internal sealed class CompletionPath(ReaderWatch watch, Action controlWanted)
{
    private int _inFlight;
    private int _faultLatched;
    private int _quiescing;
    private Action? _drained;

    /// <summary>True: nothing is posted until recovery.</summary>
    public bool IsFaultLatched => Volatile.Read(ref _faultLatched) != 0;

    /// <summary>True while transfers are with the transport.</summary>
    public bool IsInFlight => Volatile.Read(ref _inFlight) != 0;

    /// <summary>A cancel that the queue asked for is no failure.</summary>
    public bool IsFailure(TransferStatus status) =>
        status != TransferStatus.Completed && !(status == TransferStatus.Cancelled && Volatile.Read(ref _quiescing) != 0);

    /// <summary>From now on nothing is posted until recovery.</summary>
    public void LatchFault() => Volatile.Write(ref _faultLatched, 1);

    /// <summary>Posting may begin again. Gate held, with nothing posted.</summary>
    public void UnlatchFault() => Interlocked.Exchange(ref _faultLatched, 0);

    /// <summary>There is something for the control to do.</summary>
    public void CallControl() => controlWanted();

    /// <summary>A slot is about to be submitted: its completion may come before the submit returns.</summary>
    public void OnPosting() => Interlocked.Increment(ref _inFlight);

    /// <summary>The submit was refused: no completion comes.</summary>
    public void OnRefused() => Interlocked.Decrement(ref _inFlight);

    /// <summary>The slot's word is published.</summary>
    public void OnCompleted(Slot slot, bool failed)
    {
        // A full fence, too: it orders the publication before the read of _drained and of what the reader awaits, against the drainer's publication of
        // _drained (or the reader's of what it awaits) before its second look at the count (or the slot). One of the two sees the other.
        if (Interlocked.Decrement(ref _inFlight) == 0)
        {
            Volatile.Read(ref _drained)?.Invoke();
        }

        watch.NotifyCompleted(slot);
        if (failed)
        {
            controlWanted();
        }
    }

    /// <summary>From now on cancels are the queue's own. Gate held, posting closed.</summary>
    /// <param name="drained">Called when the last transfer comes back, unless <see cref="IsInFlight"/> is false right after this.</param>
    public void BeginQuiesce(Action drained)
    {
        Volatile.Write(ref _quiescing, 1);

        // A full fence: either the last completion sees the action, or the caller's look at IsInFlight sees that it came before.
        _ = Interlocked.Exchange(ref _drained, drained);
    }

    /// <summary>From now on a cancelled transfer is a failure again. Gate held.</summary>
    public void EndQuiesce() => Volatile.Write(ref _quiescing, 0);
}
