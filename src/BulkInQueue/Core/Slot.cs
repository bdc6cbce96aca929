using System.Diagnostics;
using BulkIn.Backends;

namespace BulkIn.Core;

/// <summary>One transfer and its completion word.</summary>
internal sealed class Slot(CompletionPath completions) : ITransferCompletion
{
    private int _state;

    /// <summary>Set once, before the first post.</summary>
    public IBulkInTransfer Transfer { get; set; } = null!;

    /// <summary>The buffer posted or completed with. Written with the gate held, in Idle only.</summary>
    public QueueBuffer? Buffer { get; private set; }

    // The completion word: written by the completing thread in Posted, before the state becomes Completed; read by others only after they saw
    // Completed. The release/acquire pair on _state orders them.
    public TransferStatus Status { get; private set; }

    public int NativeStatus { get; private set; }

    public int Length { get; private set; }

    public long CompletedAt { get; private set; }

    /// <summary>The transfer failed, or was cancelled by somebody else than the queue.</summary>
    public bool Failed { get; private set; }

    public SlotState State => (SlotState)Volatile.Read(ref _state);

    public bool IsCompleted => State == SlotState.Completed;

    /// <summary>Idle → Posted. Gate held; precedes the submit, because the completion may come before the submit returns.</summary>
    public void MarkPosted(QueueBuffer buffer)
    {
        Debug.Assert(State == SlotState.Idle, "Only an idle slot can be posted.");
        Buffer = buffer;
        Volatile.Write(ref _state, (int)SlotState.Posted);
    }

    /// <summary>Posted (submit refused) or Completed → Idle. Gate held.</summary>
    /// <returns>The buffer, which the caller owns now.</returns>
    public QueueBuffer MarkIdle()
    {
        Debug.Assert(State != SlotState.Idle, "The slot is idle already.");
        QueueBuffer buffer = Buffer!;
        Buffer = null;
        Volatile.Write(ref _state, (int)SlotState.Idle);
        return buffer;
    }

    /// <inheritdoc/>
    public void Complete(TransferStatus status, int actualLength, int nativeStatus)
    {
        QueueBuffer? buffer = Buffer;
        if (State != SlotState.Posted || buffer is null)
        {
            Debug.Fail("A completion without a submit.");
            return;
        }

        bool failed = completions.IsFailure(status);
        Status = status;
        NativeStatus = nativeStatus;
        Length = Math.Clamp(actualLength, 0, buffer.Length);
        CompletedAt = Stopwatch.GetTimestamp();
        Failed = failed;

        // Before the slot is published: a harvest that sees this slot must also see that nothing may be posted any more.
        if (failed)
        {
            completions.LatchFault();
        }

        // Release: publishes the word. From here on another thread may harvest and post this slot again, so only the path is touched.
        Volatile.Write(ref _state, (int)SlotState.Completed);
        completions.OnCompleted(this, failed);
    }
}
