using System.Diagnostics.CodeAnalysis;
using BulkIn.Backends;

namespace BulkIn.Core;

/// <summary>
/// Cancels every posted transfer and waits until all came back. Posting is closed from the start of a drain to its end.
/// </summary>
internal sealed class TransportDrain(SlotPool pool, bool cancelAbortsEndpoint)
{
    private Task _cancelling = Task.CompletedTask;
    private Task _drained = Task.CompletedTask;

    /// <summary>Done when every transfer came back and nobody is inside a cancel any more: only then may a transfer be freed.</summary>
    public Task Completion => Task.WhenAll(_cancelling, _drained);

    /// <summary>True when nobody is inside a cancel any more, or will be.</summary>
    public bool HasCancelled => _cancelling.IsCompleted;

    /// <summary>Closes posting and starts to cancel, newest first, on a thread of its own: a Linux cancel blocks, over USB/IP without bound.</summary>
    public void Begin()
    {
        if (!_drained.IsCompleted)
        {
            return;
        }

        TaskCompletionSource drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Slot[] targets = pool.BeginQuiesce(() => drained.TrySetResult());
        if (!pool.IsInFlight)
        {
            _ = drained.TrySetResult();
        }

        _drained = drained.Task;
        if (targets.Length == 0)
        {
            return;
        }

        Task cancelling = Task.Factory.StartNew(
            () => CancelAll(targets),
            CancellationToken.None,
            TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach,
            TaskScheduler.Default);

        // An earlier pass may still be inside a cancel that blocks.
        _cancelling = _cancelling.IsCompleted ? cancelling : Task.WhenAll(_cancelling, cancelling);
    }

    private void CancelAll(Slot[] targets)
    {
        foreach (Slot slot in targets)
        {
            // Only a success aborts the endpoint: the newest transfer may have completed meanwhile, and then the others are as posted as before.
            if (Cancel(slot.Transfer).IsSuccess && cancelAbortsEndpoint)
            {
                return;
            }
        }
    }

    /// <summary>NOT_FOUND, NO_DEVICE and the rest all mean the same here: its completion still comes, or has come.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "A cancel that throws must not keep the others from being cancelled, nor the teardown from going on; what counts is the completion.")]
    private static BackendResult Cancel(IBulkInTransfer transfer)
    {
        try
        {
            return transfer.Cancel();
        }
        catch (Exception)
        {
            return new BackendResult(BackendStatus.Other);
        }
    }

    /// <summary>Waits for <see cref="Completion"/>.</summary>
    /// <param name="bound">How long at most.</param>
    /// <param name="time">By which clock.</param>
    /// <param name="preempt">Ends the wait early, for something more urgent.</param>
    /// <returns>False when the bound passed first.</returns>
    /// <exception cref="OperationCanceledException"><paramref name="preempt"/> was cancelled.</exception>
    public async Task<bool> WaitAsync(TimeSpan bound, TimeProvider time, CancellationToken preempt)
    {
        try
        {
            await Completion.WaitAsync(bound, time, preempt).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }
}
