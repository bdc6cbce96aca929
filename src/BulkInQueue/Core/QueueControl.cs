using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using BulkIn.Backends;
using BulkIn.Diagnostics;
using Microsoft.Extensions.Logging;

namespace BulkIn.Core;

/// <summary>
/// Everything that changes the state of the queue, one thing at a time: recovery, pause, resume, stop and the teardown.
/// </summary>
/// <remarks>
/// <para>A single loop runs while there is something to do, on the thread pool, started by <see cref="Kick"/> (from a completion callback, too). Each turn takes the most
/// urgent thing: dispose, then stop, then a latched fault, then the other requests in the order they came. Dispose and stop also cut short the waits
/// of a recovery in progress, so nothing waits behind a back-off or a silent device.</para>
/// <para>The pool's gate guards the fields here that verbs and the loop share.</para>
/// </remarks>
[SuppressMessage("Design", "CA1001", Justification = "The preemption source has no timer and no handle; a cancelled one holds nothing.")]
internal sealed class QueueControl : IThreadPoolWorkItem
{
    /// <summary>How long a silent device may take to answer the presence probe; silence then means "present".</summary>
    internal static readonly TimeSpan ProbeBound = TimeSpan.FromSeconds(1);

    private readonly SlotPool _pool;
    private readonly IBulkInBackend _backend;
    private readonly BulkInQueueOptions _options;
    private readonly BulkInCapabilities _capabilities;
    private readonly TransportDrain _drain;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly string _name;

    private readonly List<ControlRequest> _requests = [];
    private readonly TaskCompletionSource _loopEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _disposal = new();
    private CancellationTokenSource _preempt = new();
    private int _kicked;
    private bool _started;
    private bool _active;

    // Only the loop touches these.
    private Task _nativeWork = Task.CompletedTask;
    private Fault? _fault;
    private bool _needsClear;
    private int _attempts;
    private long _faults;
    private long _recoveries;
    private readonly long[] _faultsByError = new long[QueueTotals.Errors];

    public QueueControl(SlotPool pool, IBulkInBackend backend, BulkInQueueOptions options, ILogger logger, string name)
    {
        _pool = pool;
        _backend = backend;
        _options = options;
        _capabilities = backend.Capabilities;
        _time = options.TimeProvider;
        _logger = logger;
        _name = name;
        _drain = new TransportDrain(pool, _capabilities.HasFlag(BulkInCapabilities.CancelAbortsEndpoint), _time);
    }

    private enum Turn
    {
        Rest,
        End,
        Fault,
        Request,
    }

    public long Faults => Volatile.Read(ref _faults);

    public long Recoveries => Volatile.Read(ref _recoveries);

    /// <summary>Adds the faults so far to sums by <see cref="BulkInError"/>.</summary>
    public void AddFaultsTo(long[] totals)
    {
        for (int i = 0; i < totals.Length; i++)
        {
            totals[i] += Volatile.Read(ref _faultsByError[i]);
        }
    }

    /// <summary>The queue is open; a fault latched meanwhile is handled now.</summary>
    public void Start()
    {
        lock (_pool.Gate)
        {
            _started = true;
        }

        Kick();
    }

    /// <summary>There may be something to do. From any thread, a callback included: it only queues a work item.</summary>
    public void Kick()
    {
        if (Interlocked.Exchange(ref _kicked, 1) == 0)
        {
            _ = ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    void IThreadPoolWorkItem.Execute()
    {
        // Before the look for work, so that a kick after this look queues another item.
        _ = Interlocked.Exchange(ref _kicked, 0);
        lock (_pool.Gate)
        {
            if (_active || !_started || _loopEnded.Task.IsCompleted)
            {
                return;
            }

            _active = true;
        }

        _ = RunAsync();
    }

    /// <summary>The owner of a foreign handle closed it: nothing that waits for the transport is worth waiting for.</summary>
    public void HandleClosed()
    {
        _pool.LatchHandleClosed();
        CancellationTokenSource preempted;
        lock (_pool.Gate)
        {
            preempted = _preempt;
        }

        _ = preempted.CancelAsync();
        Kick();
    }

    /// <summary>Asks for a verb and waits for its end; the token ends the wait only.</summary>
    public Task RequestAsync(ControlVerb verb, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return Task.FromCanceled(cancellationToken);
        }

        ControlRequest request = new(verb);
        CancellationTokenSource? preempted = null;
        lock (_pool.Gate)
        {
            ObjectDisposedException.ThrowIf(_pool.IsClosed, typeof(BulkInQueue));
            _requests.Add(request);
            if (verb == ControlVerb.Stop)
            {
                preempted = _preempt;
            }
        }

        _ = preempted?.CancelAsync();
        Kick();
        return request.Done.WaitAsync(cancellationToken);
    }

    /// <summary>Ends the loop, cancels and frees. Called once, after the pool's close: from there on no turn begins and nothing is posted.</summary>
    public async Task DisposeAsync()
    {
        long start = _time.GetTimestamp();
        CancellationTokenSource preempted;
        lock (_pool.Gate)
        {
            preempted = _preempt;
            if (!_active)
            {
                _ = _loopEnded.TrySetResult();
            }
        }

        // Not awaited: the loop may go on inside these calls, and in it a user's logger that blocks.
        _ = preempted.CancelAsync();
        _ = _disposal.CancelAsync();
        bool loopEnded = await EndsWithinAsync(_loopEnded.Task, Left(start)).ConfigureAwait(false);
        ControlRequest[] unserved;
        bool closedUnderUs;
        lock (_pool.Gate)
        {
            unserved = [.. _requests];
            _requests.Clear();
            closedUnderUs = _fault is { Error: BulkInError.HandleClosed } || _pool.IsHandleClosed
                || (_capabilities.HasFlag(BulkInCapabilities.OwnerMayClose) && _backend.IsClosed);
        }

        foreach (ControlRequest request in unserved)
        {
            request.Fail(new ObjectDisposedException(_name));
        }

        // What the loop touches is free to use only once it ended. With the handle closed under us no completion will come and no native call may be made:
        // there is nothing to wait for.
        if (loopEnded && !closedUnderUs)
        {
            _drain.Begin();
            _ = await _drain.WaitAsync(Left(start), CancellationToken.None).ConfigureAwait(false);
        }

        bool idle = loopEnded && await EndsWithinAsync(_nativeWork, Left(start)).ConfigureAwait(false) && _drain.HasCancelled;
        int leaked = _pool.FreeOrAbandon(abandon: !idle);
        if (leaked > 0 || !idle)
        {
            string reason = closedUnderUs ? "its owner closed the handle first"
                : loopEnded ? "the event thread that pumps this handle has stopped, or the host controller hangs"
                : "the control of the queue is blocked, in the logger or in the backend";
            if (loopEnded)
            {
                _logger.TransfersLeaked(_name, leaked, _options.BufferLength, reason);
            }
            else
            {
                // The logger may be what blocks the control: it must not block the teardown, too.
                _ = Task.Run(() => _logger.TransfersLeaked(_name, leaked, _options.BufferLength, reason));
            }
        }
    }

    private TimeSpan Left(long start)
    {
        TimeSpan left = _options.DisposeTimeout - _time.GetElapsedTime(start);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    private async Task<bool> EndsWithinAsync(Task work, TimeSpan bound)
    {
        // Never throws, however the work ended, and leaves no timer behind.
        await work.WaitAsync(bound, _time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return work.IsCompleted;
    }

    [SuppressMessage("Design", "CA1031", Justification = "The loop must survive whatever a backend or logger throws; the failure becomes the queue's fault.")]
    private async Task RunAsync()
    {
        while (true)
        {
            ControlRequest? request;
            CancellationToken preempt;
            lock (_pool.Gate)
            {
                Turn turn = NextUnsynchronized(out request);
                if (turn is Turn.Rest or Turn.End)
                {
                    _active = false;
                    if (turn == Turn.End)
                    {
                        _ = _loopEnded.TrySetResult();
                    }

                    return;
                }

                if (_preempt.IsCancellationRequested)
                {
                    _preempt = new CancellationTokenSource();
                }

                preempt = _preempt.Token;
            }

            try
            {
                await (request is null ? TraceAsync(HandleFaultAsync, preempt) : ServeAsync(request, preempt)).ConfigureAwait(false);
                request?.Succeed();
            }
            catch (OperationCanceledException) when (preempt.IsCancellationRequested || _pool.IsClosed)
            {
                // Something more urgent came: what was begun is taken up by it. A request waits for its next turn.
                if (request is not null)
                {
                    lock (_pool.Gate)
                    {
                        _requests.Insert(0, request);
                    }
                }
            }
            catch (Exception failure)
            {
                if (request is null || failure is not (BulkInException or InvalidOperationException))
                {
                    _logger.ControlFailed(failure, _name);
                    lock (_pool.Gate)
                    {
                        _fault = new Fault { Error = BulkInError.Unknown, Class = FaultClass.Interrupted };
                        _pool.EnterUnsynchronized(BulkInState.Faulted);
                        _pool.Publish(_fault, sticky: true);
                    }
                }

                request?.Fail(failure);
            }
        }
    }

    private Turn NextUnsynchronized(out ControlRequest? request)
    {
        request = null;
        if (_pool.IsClosed)
        {
            return Turn.End;
        }

        int at = _requests.FindIndex(static r => r.Verb == ControlVerb.Stop);
        if (at < 0 && (_pool is { IsFaultLatched: true, State: BulkInState.Running } || _pool is { IsHandleClosed: true, State: not (BulkInState.Gone or BulkInState.Stopped) } || _pool.State == BulkInState.Recovering))
        {
            return Turn.Fault;
        }

        at = Math.Max(at, 0);
        if (at >= _requests.Count)
        {
            return Turn.Rest;
        }

        request = _requests[at];
        _requests.RemoveAt(at);
        return Turn.Request;
    }

    // ---- Faults. ----

    /// <summary>Runs a recovery as an activity, and counts its fault by what it turned out to be.</summary>
    private async Task TraceAsync(Func<CancellationToken, Task> recovery, CancellationToken preempt)
    {
        long before = _faults;
        using Activity? activity = RecoveryActivity.Start(_backend.Endpoint.Address);
        try
        {
            await recovery(preempt).ConfigureAwait(false);
        }
        finally
        {
            if (_faults != before && _fault is { } fault)
            {
                _faultsByError[(int)fault.Error]++;
            }

            activity.Describe(_pool.State, _fault, _attempts);
        }
    }

    /// <summary>The fixed sequence: stop posting, cancel, drain and keep the data, classify, clear the halt with nothing posted, post again.</summary>
    private async Task HandleFaultAsync(CancellationToken preempt)
    {
        bool isHandleClosed;
        lock (_pool.Gate)
        {
            isHandleClosed = _pool.IsHandleClosed;
            if (isHandleClosed)
            {
                Fault? closed = _pool.Collect(isMissing: false);
                _fault = _pool.EndStream(BulkInError.HandleClosed, new BackendResult(BackendStatus.HandleClosed), closed);
                _faults++;
            }
            else
            {
                _pool.EnterUnsynchronized(BulkInState.Recovering);
            }
        }

        if (isHandleClosed)
        {
            _logger.Faulted(_name, _fault!.Error, _fault.Sequence);
            return;
        }

        Fault? fault = await QuiesceAsync(preempt).ConfigureAwait(false);
        _fault = fault ?? _fault;
        if (fault is null)
        {
            await PostAgainAsync(_fault, preempt).ConfigureAwait(false);
            return;
        }

        _faults++;
        _needsClear = true;
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

    /// <summary>Attempts with back-off until slots are posted again, the device is proved gone, or the attempts are used up.</summary>
    private async Task PostAgainAsync(Fault? fault, CancellationToken preempt)
    {
        while (_attempts < _options.RecoveryAttempts)
        {
            await Task.Delay(Backoff(_attempts), _time, preempt).ConfigureAwait(false);
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

    /// <summary>Clears the halt and posts one slot for each free buffer.</summary>
    /// <returns>Why not; null when slots are posted.</returns>
    private async Task<Fault?> TryPostAgainAsync(Fault? fault, CancellationToken preempt)
    {
        bool clears = _needsClear && !_capabilities.HasFlag(BulkInCapabilities.ClearsHaltItself) && fault?.Error != BulkInError.OutOfMemory;
        if (clears)
        {
            BackendResult cleared = await TrackAsync(_backend.ClearHaltAsync().AsTask()).WaitAsync(preempt).ConfigureAwait(false);
            if (!cleared.IsSuccess)
            {
                return Fault.OfClear(fault, cleared);
            }
        }

        preempt.ThrowIfCancellationRequested();
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
                _recoveries += recovers ? 1 : 0;
            }

            return refused;
        }
    }

    /// <summary>NO_DEVICE from a submit is proof; from clearing the halt, and any failure that may hide an unplug, it asks for the probe.</summary>
    private async Task<bool> EndsStreamAsync(Fault refused, CancellationToken preempt)
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
            await Task.Delay(Backoff(i), _time, preempt).ConfigureAwait(false);
            DevicePresence presence = await TrackAsync(_backend.ProbeAsync(ProbeBound).AsTask()).WaitAsync(preempt).ConfigureAwait(false);
            if (presence != DevicePresence.Unknown)
            {
                return presence == DevicePresence.Gone;
            }
        }

        return false;
    }

    private void End(BulkInError error, BackendResult result)
    {
        lock (_pool.Gate)
        {
            _fault = _pool.EndStream(error, result, _fault);
        }

        _logger.Faulted(_name, error, _fault.Sequence);
    }

    /// <summary>The fault stays until RecoverAsync: at its position if it was not thrown yet, at the end of the stream if it was.</summary>
    private void GiveUp(Fault fault, int attempts)
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

    private TimeSpan Backoff(int made)
    {
        if (made == 0)
        {
            return TimeSpan.Zero;
        }

        double factor = Math.Pow(2, Math.Min(made - 1, 30));
        double milliseconds = Math.Min(_options.RecoveryBackoff.TotalMilliseconds * factor, _options.RecoveryBackoffMaximum.TotalMilliseconds);
        return TimeSpan.FromMilliseconds(milliseconds);
    }

    /// <summary>Remembers native work, so that the teardown waits for it even when its waiter was called away.</summary>
    private Task<T> TrackAsync<T>(Task<T> work)
    {
        _nativeWork = _nativeWork.IsCompleted ? work : Task.WhenAll(_nativeWork, work);
        return work;
    }

    private async Task<Fault?> QuiesceAsync(CancellationToken preempt)
    {
        _drain.Begin();
        bool drained = await _drain.WaitAsync(_options.DisposeTimeout, preempt).ConfigureAwait(false);
        lock (_pool.Gate)
        {
            return _pool.Collect(isMissing: !drained && !IsCompletionMissing);
        }
    }

    // ---- Verbs. ----

    private Task ServeAsync(ControlRequest request, CancellationToken preempt) => request.Verb switch
    {
        ControlVerb.Stop => StopAsync(),
        ControlVerb.Pause => PauseAsync(preempt),
        ControlVerb.Resume => ResumeAsync(preempt),
        _ when _pool.State == BulkInState.Faulted => TraceAsync(RecoverAsync, preempt),
        _ => RecoverAsync(preempt),
    };

    private async Task StopAsync()
    {
        lock (_pool.Gate)
        {
            if (_pool.State == BulkInState.Stopped)
            {
                return;
            }

            // Nothing is posted, or, with the handle closed, nothing that comes back or may be cancelled.
            if (_pool.State == BulkInState.Gone)
            {
                _pool.EnterUnsynchronized(BulkInState.Stopped);
                _pool.Unstick();
                return;
            }
        }

        // The preemption that this stop itself asked for must not cut its own drain short; only dispose does, and drains on.
        await QuiesceKeepingFaultAsync(BulkInState.Stopped, _disposal.Token).ConfigureAwait(false);
    }

    private async Task PauseAsync(CancellationToken preempt)
    {
        switch (_pool.State)
        {
            case BulkInState.Paused:
                return;
            case BulkInState.Gone:
                throw CurrentFault();
            case BulkInState.Stopped:
                throw new InvalidOperationException($"{_name} was stopped and cannot be paused; open a new queue.");
            case BulkInState.Faulted when IsCompletionMissing:
                throw CurrentFault();
            default:
                await QuiesceKeepingFaultAsync(BulkInState.Paused, preempt).ConfigureAwait(false);
                return;
        }
    }

    private async Task QuiesceKeepingFaultAsync(BulkInState state, CancellationToken preempt)
    {
        Fault? fault = await QuiesceAsync(preempt).ConfigureAwait(false);
        if (fault is not null)
        {
            _fault = fault;
            _faults++;
            _faultsByError[(int)fault.Error]++;
            _needsClear = true;
        }

        // A pause that would have nothing to resume is none: transfers are missing, or the device is gone.
        if (state == BulkInState.Paused && fault is { Error: BulkInError.CompletionMissing })
        {
            GiveUp(fault, attempts: 0);
            throw CurrentFault();
        }

        if (state == BulkInState.Paused && fault is { Class: FaultClass.Terminal })
        {
            End(fault.Error, fault.Result);
            throw CurrentFault();
        }

        lock (_pool.Gate)
        {
            _pool.EnterUnsynchronized(state);
            if (fault is not null)
            {
                _pool.Publish(fault, sticky: false);
            }
            else if (_fault is { Published: false })
            {
                _pool.Publish(_fault, sticky: false);
            }

            _pool.Unstick();
        }
    }

    private async Task ResumeAsync(CancellationToken preempt)
    {
        switch (_pool.State)
        {
            case BulkInState.Running:
                return;
            case BulkInState.Gone:
                throw CurrentFault();
            case BulkInState.Paused:
                Fault? refused = await TryPostAgainAsync(_fault, preempt).ConfigureAwait(false);
                if (refused is not null)
                {
                    _ = await EndsStreamAsync(refused, preempt).ConfigureAwait(false);
                    throw FaultMessage.OfCall(_backend, "resuming failed", _pool.State == BulkInState.Gone ? _fault! : refused);
                }

                _attempts = 0;
                return;
            default:
                throw new InvalidOperationException($"{_name} is {_pool.State}, not paused: ResumeAsync only follows PauseAsync.");
        }
    }

    private async Task RecoverAsync(CancellationToken preempt)
    {
        switch (_pool.State)
        {
            case BulkInState.Running:
                return;
            case BulkInState.Gone:
                throw CurrentFault();
            case BulkInState.Faulted:
                break;
            default:
                throw new InvalidOperationException($"{_name} is {_pool.State}, not faulted: RecoverAsync only follows a fault.");
        }

        if (IsCompletionMissing)
        {
            throw CurrentFault();
        }

        lock (_pool.Gate)
        {
            _pool.EnterUnsynchronized(BulkInState.Recovering);
            _pool.Unstick();
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

    /// <summary>The transport kept transfers beyond the bound: only stop and dispose are left.</summary>
    private bool IsCompletionMissing => _fault is { Error: BulkInError.CompletionMissing };

    private BulkInException CurrentFault() => _fault!.ToException(_backend);
}
