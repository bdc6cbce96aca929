namespace BulkIn.Core;

/// <summary>What each verb does in each state: the table of the states, but for dispose and for faults, which come by themselves.</summary>
/// <remarks>Only the control's loop calls it, one thing at a time, so the state changes under it by a close only.</remarks>
internal sealed class ControlVerbs(SlotPool pool, GuardedBackend backend, Recovery recovery, string name)
{
    /// <summary>Read with the gate held, so that who sees Disposed here finds the pool closed afterwards.</summary>
    private BulkInState State
    {
        get
        {
            lock (pool.Gate)
            {
                return pool.State;
            }
        }
    }

    /// <summary>Does what a caller asked.</summary>
    /// <param name="verb">What.</param>
    /// <param name="preempt">Cut short by something more urgent: a stop, a closed handle, dispose.</param>
    /// <exception cref="BulkInException">The device is gone, or the transport refused.</exception>
    /// <exception cref="InvalidOperationException">The verb makes no sense in this state.</exception>
    /// <exception cref="OperationCanceledException">Cut short, or the queue was closed since the verb was chosen: the close answers it.</exception>
    public Task ServeAsync(ControlVerb verb, CancellationToken preempt) => verb switch
    {
        ControlVerb.Stop => StopAsync(preempt),
        ControlVerb.Pause => PauseAsync(preempt),
        ControlVerb.Resume => ResumeAsync(preempt),
        _ => RecoverAsync(preempt),
    };

    private async Task StopAsync(CancellationToken preempt)
    {
        lock (pool.Gate)
        {
            if (pool.State == BulkInState.Stopped)
            {
                return;
            }

            // Nothing is posted, or, with the handle closed, nothing that comes back or may be cancelled.
            if (pool.State == BulkInState.Gone)
            {
                pool.EnterUnsynchronized(BulkInState.Stopped);
                pool.Unstick();
                return;
            }
        }

        _ = await QuiesceAsync(preempt).ConfigureAwait(false);
        Enter(BulkInState.Stopped);
    }

    private async Task PauseAsync(CancellationToken preempt)
    {
        switch (State)
        {
            case BulkInState.Paused:
                return;
            case BulkInState.Gone:
                throw recovery.CurrentFault();
            case BulkInState.Stopped:
                throw new InvalidOperationException($"{name} was stopped and cannot be paused; open a new queue.");
            case BulkInState.Faulted when recovery.IsCompletionMissing:
                throw recovery.CurrentFault();
        }

        // A pause that would have nothing to resume is none: transfers are missing, or the device is gone.
        Fault? fault = await QuiesceAsync(preempt).ConfigureAwait(false);
        if (fault is { Error: BulkInError.CompletionMissing })
        {
            recovery.GiveUp(fault, attempts: 0);
            throw recovery.CurrentFault();
        }

        if (fault is { Class: FaultClass.Terminal })
        {
            recovery.End(fault.Error, fault.Result);
            throw recovery.CurrentFault();
        }

        Enter(BulkInState.Paused);
    }

    private async Task ResumeAsync(CancellationToken preempt)
    {
        switch (State)
        {
            case BulkInState.Running:
                return;
            case BulkInState.Gone:
                throw recovery.CurrentFault();
            case BulkInState.Paused:
                break;
            case BulkInState.Disposed:
                throw new OperationCanceledException(preempt);
            case BulkInState state:
                throw new InvalidOperationException($"{name} is {state}, not paused: ResumeAsync only follows PauseAsync.");
        }

        Fault? refused = await recovery.TryPostAgainAsync(recovery.Fault, preempt).ConfigureAwait(false);
        if (refused is null)
        {
            recovery.ForgetAttempts();
            return;
        }

        bool ends = await recovery.EndsStreamAsync(refused, preempt).ConfigureAwait(false);
        throw FaultMessage.OfCall(backend, "resuming failed", ends ? recovery.Fault! : refused);
    }

    private async Task RecoverAsync(CancellationToken preempt)
    {
        switch (State)
        {
            case BulkInState.Running:
                return;
            case BulkInState.Gone:
            case BulkInState.Faulted when recovery.IsCompletionMissing:
                throw recovery.CurrentFault();
            case BulkInState.Faulted:
                await recovery.RetryAsync(preempt).ConfigureAwait(false);
                return;
            case BulkInState.Disposed:
                throw new OperationCanceledException(preempt);
            case BulkInState state:
                throw new InvalidOperationException($"{name} is {state}, not faulted: RecoverAsync only follows a fault.");
        }
    }

    private async Task<Fault?> QuiesceAsync(CancellationToken preempt)
    {
        Fault? fault = await recovery.QuiesceAsync(preempt).ConfigureAwait(false);
        if (fault is not null)
        {
            recovery.Counters.Classify(fault.Error);
        }

        return fault;
    }

    /// <summary>Nothing is posted; a fault met on the way, or one that nobody could be told of yet, is thrown once.</summary>
    private void Enter(BulkInState state)
    {
        lock (pool.Gate)
        {
            pool.EnterUnsynchronized(state);
            if (recovery.Fault is { Published: false } unpublished)
            {
                unpublished.MetOnTheWayTo = state;
                pool.Publish(unpublished, sticky: false);
            }

            pool.Unstick();
        }
    }
}
