using System.Runtime.InteropServices;
using BulkIn.Backends;

namespace BulkIn.Core;

/// <summary>What a reader that found nothing waits for.</summary>
/// <param name="Slot">The head of the posted FIFO, or null when only a change can help.</param>
/// <param name="Changes">The count of changes at the look.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Look(Slot? Slot, long Changes);

/// <summary>
/// What the reader waits for, a slot's completion or a change of the stream, and who wakes it then: one wake per burst, because only the slot at the head wakes.
/// </summary>
internal sealed class ReaderWatch(ReaderSignal signal)
{
    private Slot? _awaited;
    private long _changes;

    /// <summary>A look at the stream that found nothing. Gate held, so that no change falls between the look and its count.</summary>
    /// <param name="head">The slot whose completion would end it.</param>
    public Look Look(Slot? head) => new(head, _changes);

    /// <summary>
    /// Second half of a wait: publishes what the armed signal waits for and looks again, so that a completion or a change between the first look and now
    /// is not missed.
    /// </summary>
    public void Await(Look look)
    {
        Volatile.Write(ref _awaited, look.Slot);

        // Pairs with the fence in CompletionPath.OnCompleted and in NotifyChanged: see there.
        Interlocked.MemoryBarrier();
        if (look.Slot is { IsCompleted: true, Status: TransferStatus.Completed } || Volatile.Read(ref _changes) != look.Changes)
        {
            signal.Wake(WakeReason.Changed);
        }
    }

    /// <summary>The wait is over.</summary>
    public void EndAwait() => Volatile.Write(ref _awaited, null);

    /// <summary>A slot completed. The caller fenced after publishing the slot's word.</summary>
    public void NotifyCompleted(Slot slot)
    {
        if (ReferenceEquals(Volatile.Read(ref _awaited), slot) && Interlocked.CompareExchange(ref _awaited, null, slot) == slot)
        {
            signal.WakeAfterBurst();
        }
    }

    /// <summary>The stream, its state or its faults changed. Gate held.</summary>
    public void NotifyChanged()
    {
        // Full fence: either the reader's second look sees the new count, or the wake sees the armed word.
        _ = Interlocked.Increment(ref _changes);
        signal.WakeAfterBurst();
    }

    /// <summary>There will be nothing to look at any more. Gate held.</summary>
    public void CountClose() => Interlocked.Increment(ref _changes);

    /// <summary>Ends the wait for good.</summary>
    public void WakeClosed() => signal.Wake(WakeReason.Closed);
}
