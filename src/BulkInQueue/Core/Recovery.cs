using BulkIn.Backends;
using BulkIn.Diagnostics;
using Microsoft.Extensions.Logging;

namespace BulkIn.Core;

/// <summary>
/// What the queue does about a latched fault: the fixed sequence of recovery, the probe for a device that is gone, and the giving up. It remembers the fault of the
/// current generation, whether a halt is still to be cleared, and the attempts made since bytes last came.
/// </summary>
/// <remarks>Only the control's loop calls it, one thing at a time, so the fields here need no lock; what receives see changes under the pool's gate.</remarks>
internal sealed class Recovery
{
    /// <summary>How long a silent device may take to answer the presence probe; silence then means "present".</summary>
    internal static readonly TimeSpan ProbeBound = TimeSpan.FromSeconds(1);

    private readonly SlotPool _pool;
    private readonly GuardedBackend _backend;
    private readonly BulkInQueueOptions _options;
    private readonly BulkInCapabilities _capabilities;
    private readonly TransportDrain _drain;
    private readonly NativeWork _nativeWork;
    private readonly Backoff _backoff;
    private readonly ILogger _logger;
    private readonly string _name;

    private Fault? _fault;
    private bool _needsClear;
    private int _attempts;

    public Recovery(SlotPool pool, GuardedBackend backend, BulkInQueueOptions options, TransportDrain drain, NativeWork nativeWork, ILogger logger, string name)
    {
        _pool = pool;
        _backend = backend;
        _options = options;
        _capabilities = backend.Capabilities;
        _drain = drain;
        _nativeWork = nativeWork;
        _backoff = new Backoff(options.RecoveryBackoff, options.RecoveryBackoffMaximum, options.TimeProvider);
        _logger = logger;
        _name = name;
    }

    public FaultCounters Counters { get; } = new();

    /// <summary>The fault of the current generation; the last one's until there is another.</summary>
    public Fault? Fault => _fault;

    /// <summary>The transport kept transfers beyond the bound: only stop and dispose are left.</summary>
    public bool IsCompletionMissing => _fault is { Error: BulkInError.CompletionMissing };

    public BulkInException CurrentFault() => _fault!.ToException(_backend);

    /// <summary>Runs the fixed sequence on a latched fault: stop posting, cancel, drain and keep the data, classify, clear the halt with nothing posted, post again.</summary>
    public Task HandleFaultAsync(CancellationToken preempt) => TraceAsync(SequenceAsync, preempt);

    /// <summary>One attempt, on request, at a fault that waits for it.</summary>
    /// <exception cref="BulkInException">It failed: the queue is Faulted as before, or Gone.</exception>
    public Task RetryAsync(CancellationToken preempt) => TraceAsync(AttemptAsync, preempt);

    /// <summary>Stops posting, cancels, waits for every completion and takes up what came.</summary>
    /// <returns>The fault that it found, unpublished and counted, or null.</returns>
    public async Task<Fault?> QuiesceAsync(CancellationToken preempt)
    {
        _drain.Begin();
        bool drained = await _drain.WaitAsync(_options.DisposeTimeout, _options.TimeProvider, preempt).ConfigureAwait(false);
        Fault? fault;
        lock (_pool.Gate)
        {
            fault = _pool.Collect(isMissing: !drained && !IsCompletionMissing);
        }

        if (fault is not null)
        {
            _fault = fault;
            _needsClear = true;
            Counters.AddFault();
            LogThrown(fault);
        }

        return fault;
    }

    /// <summary>Clears the halt, if there may be one, and posts one slot for each free buffer.</summary>
    /// <returns>Why not; null when slots are posted.</returns>
    public async Task<Fault?> TryPostAgainAsync(Fault? fault, CancellationToken preempt)
    {
        bool clears = _needsClear && !_capabilities.HasFlag(BulkInCapabilities.ClearsHaltItself) && fault?.Error != BulkInError.OutOfMemory;
        if (clears)
        {
            BackendResult cleared = await _nativeWork.RunAsync(_backend.ClearHaltAsync(), preempt).ConfigureAwait(false);
            if (!cleared.IsSuccess)
            {
                return Fault.OfClear(fault, cleared);
            }
        }

        preempt.ThrowIfCancellationRequested();
        Fault? refused = PostAgain(preempt);
        if (refused is not null)
        {
            LogThrown(refused);
        }

        return refused;
    }

    private Fault? PostAgain(CancellationToken preempt)
    {
        lock (_pool.Gate)
        {
            if (_pool.IsClosed)
            {
                throw new OperationCanceledException(preempt);
            }

            // Counted before anybody can receive what the slots bring.
            bool recovers = _pool.State == BulkInState.Recovering;
            Fault? refused = _pool.StartPosting();
            if (refused is null)
            {
                _needsClear = false;
                if (recovers)
                {
                    Counters.AddRecovery();
                }
            }

            return refused;
        }
    }

    /// <summary>NO_DEVICE from a submit is proof; from clearing the halt, and any failure that may hide an unplug, it asks for the probe.</summary>
    public async Task<bool> EndsStreamAsync(Fault refused, CancellationToken preempt)
    {
        if (refused.Class == FaultClass.Terminal)
        {
            End(refused.Error, refused.Result);
            return true;
        }

        if (refused.Error == BulkInError.OutOfMemory || !await IsGoneAsync(1, preempt).ConfigureAwait(false))
        {
            return false;
        }

        End(BulkInError.DeviceGone, refused.Result);
        return true;
    }

    /// <summary>Ends the stream for good, behind all data.</summary>
    public void End(BulkInError error, BackendResult result)
    {
        lock (_pool.Gate)
        {
            _fault = _pool.EndStream(error, result, _fault);
        }

        _logger.Faulted(_name, error, _fault.Sequence);
    }

    /// <summary>The fault stays until RecoverAsync: at its position if it was not thrown yet, at the end of the stream if it was.</summary>
    public void GiveUp(Fault fault, int attempts)
    {
        lock (_pool.Gate)
        {
            // A published fault is constant, because a reader may be making an exception of it.
            Fault last = fault.Published || attempts > 0 ? fault.GivenUp(attempts) : fault;
            _pool.Replace(fault, last);

            // A generation that was thrown already sticks, but leaves nothing to be thrown once the queue recovered.
            last.Delivered = fault.Delivered;
            _fault = last;
            _pool.EnterUnsynchronized(BulkInState.Faulted);
            _pool.Publish(last, sticky: true);
        }

        _logger.GaveUp(_name, fault.Error, attempts);
    }

    /// <summary>The control itself failed: nothing is known of the transport but what a recovery on request can find out.</summary>
    public void Fail()
    {
        lock (_pool.Gate)
        {
            _fault = _pool.Add(new Fault { Error = BulkInError.Unknown, Class = FaultClass.Interrupted });
            _pool.EnterUnsynchronized(BulkInState.Faulted);
            _pool.Publish(_fault, sticky: true);
        }
    }

    /// <summary>Posting began on request: the attempts before it are forgotten.</summary>
    public void ForgetAttempts() => _attempts = 0;

    /// <summary>Runs as an activity, and counts its fault by what it turned out to be.</summary>
    private async Task TraceAsync(Func<CancellationToken, Task> recovery, CancellationToken preempt)
    {
        long before = Counters.Faults;
        using RecoveryActivity activity = RecoveryActivity.Start(_backend.Endpoint.Address);
        try
        {
            await recovery(preempt).ConfigureAwait(false);
        }
        finally
        {
            if (Counters.Faults != before && _fault is { } fault)
            {
                Counters.Classify(fault.Error);
            }

            activity.Describe(_pool.State, _fault, _attempts);
        }
    }

    private async Task SequenceAsync(CancellationToken preempt)
    {
        if (EndsOfClosedHandle())
        {
            return;
        }

        Fault? fault = await QuiesceAsync(preempt).ConfigureAwait(false);
        if (fault is null)
        {
            await PostAgainAsync(_fault, preempt).ConfigureAwait(false);
            return;
        }

        if (fault.Class == FaultClass.Terminal)
        {
            End(fault.Error, fault.Result);
            return;
        }

        if (NeedsProbe(fault) && await IsGoneAsync(_options.RecoveryAttempts, preempt).ConfigureAwait(false))
        {
            End(BulkInError.DeviceGone, fault.Result);
            return;
        }

        if (fault.Class == FaultClass.Interrupted || _options.Recovery == BulkInRecovery.Manual)
        {
            GiveUp(fault, attempts: 0);
            return;
        }

        lock (_pool.Gate)
        {
            if (_pool.BytesArrived)
            {
                _attempts = 0;
            }

            if (_attempts < _options.RecoveryAttempts)
            {
                fault.RecoversByItself = true;
                _pool.Publish(fault, sticky: false);
            }
        }

        _logger.Faulted(_name, fault.Error, fault.Sequence);
        await PostAgainAsync(fault, preempt).ConfigureAwait(false);
    }

    /// <summary>With the handle closed under us no completion comes and no native call may be made: the stream ends at once.</summary>
    /// <returns>False: it is open, and the queue is recovering.</returns>
    private bool EndsOfClosedHandle()
    {
        lock (_pool.Gate)
        {
            if (!_pool.IsHandleClosed)
            {
                _pool.EnterUnsynchronized(BulkInState.Recovering);
                return false;
            }

            Fault? closed = _pool.Collect(isMissing: false);
            _fault = _pool.EndStream(BulkInError.HandleClosed, new BackendResult(BackendStatus.HandleClosed), closed);
            Counters.AddFault();
        }

        _logger.Faulted(_name, _fault.Error, _fault.Sequence);
        return true;
    }

    private void LogThrown(Fault fault)
    {
        if (fault.Thrown is { } thrown)
        {
            _logger.SubmitThrew(thrown, _name);
        }
    }

    /// <summary>Attempts with back-off until slots are posted again, the device is proved gone, or the attempts are used up.</summary>
    private async Task PostAgainAsync(Fault? fault, CancellationToken preempt)
    {
        while (_attempts < _options.RecoveryAttempts)
        {
            await _backoff.WaitAsync(_attempts, preempt).ConfigureAwait(false);
            _attempts++;
            Fault? refused = await TryPostAgainAsync(fault, preempt).ConfigureAwait(false);
            if (refused is null)
            {
                _logger.Recovered(_name, _attempts);
                return;
            }

            _logger.RecoveryAttemptFailed(_name, _attempts, refused.Result.Status, refused.Result.NativeCode);
            if (await EndsStreamAsync(refused, preempt).ConfigureAwait(false))
            {
                return;
            }
        }

        GiveUp(fault ?? new Fault { Error = BulkInError.Unknown }, _attempts);
    }

    private async Task AttemptAsync(CancellationToken preempt)
    {
        bool hasPosted;
        lock (_pool.Gate)
        {
            _pool.EnterUnsynchronized(BulkInState.Recovering);
            _pool.Unstick();
            hasPosted = _pool.HasPosted;
        }

        if (hasPosted)
        {
            await TakeUpAsync(preempt).ConfigureAwait(false);
        }

        Fault? refused = await TryPostAgainAsync(_fault, preempt).ConfigureAwait(false);
        if (refused is null)
        {
            _attempts = 0;
            _logger.Recovered(_name, 1);
            return;
        }

        _logger.RecoveryAttemptFailed(_name, 1, refused.Result.Status, refused.Result.NativeCode);
        if (await EndsStreamAsync(refused, preempt).ConfigureAwait(false))
        {
            throw CurrentFault();
        }

        lock (_pool.Gate)
        {
            _pool.EnterUnsynchronized(BulkInState.Faulted);
            _pool.Publish(_fault!, sticky: true);
        }

        throw FaultMessage.OfCall(_backend, "recovery failed", refused);
    }

    /// <summary>The control failed in the middle of a drain: this one ends it.</summary>
    private async Task TakeUpAsync(CancellationToken preempt)
    {
        Fault? found = await QuiesceAsync(preempt).ConfigureAwait(false);
        switch (found)
        {
            case null:
                return;
            case { Class: FaultClass.Terminal }:
                End(found.Error, found.Result);
                throw CurrentFault();
            case { Error: BulkInError.CompletionMissing }:
                GiveUp(found, attempts: 0);
                throw CurrentFault();
            default:
                lock (_pool.Gate)
                {
                    _pool.Publish(found, sticky: false);
                }

                return;
        }
    }

    private bool NeedsProbe(Fault fault) => fault.Error switch
    {
        BulkInError.Stall => _capabilities.HasFlag(BulkInCapabilities.StallMayMeanGone),
        BulkInError.Overflow or BulkInError.OutOfMemory or BulkInError.CompletionMissing => false,
        _ => true,
    };

    /// <summary>Asks the transport until it knows, at most <paramref name="tries"/> times: around an unplug the bus fails before the system knows.</summary>
    private async Task<bool> IsGoneAsync(int tries, CancellationToken preempt)
    {
        for (int i = 0; i < tries; i++)
        {
            await _backoff.WaitAsync(i, preempt).ConfigureAwait(false);
            DevicePresence presence = await _nativeWork.RunAsync(_backend.ProbeAsync(ProbeBound), preempt).ConfigureAwait(false);
            if (presence != DevicePresence.Unknown)
            {
                return presence == DevicePresence.Gone;
            }
        }

        return false;
    }
}
