using System.Diagnostics.CodeAnalysis;
using BulkIn.Backends;
using BulkIn.Diagnostics;
using Microsoft.Extensions.Logging;

namespace BulkIn.Core;

/// <summary>
/// The loop through which everything that changes the state of the queue goes, one thing at a time: recovery, the verbs and the teardown.
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
    private readonly SlotPool _pool;
    private readonly GuardedBackend _backend;
    private readonly BulkInQueueOptions _options;
    private readonly NativeWork _nativeWork = new();
    private readonly TransportDrain _drain;
    private readonly Recovery _recovery;
    private readonly ControlVerbs _verbs;
    private readonly ILogger _logger;
    private readonly string _name;

    // In the order they came, the one in service included.
    private readonly List<ControlRequest> _requests = [];
    private readonly TaskCompletionSource _loopEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private CancellationTokenSource _preempt = new();
    private ControlRequest? _served;
    private bool _servedFault;
    private int _kicked;
    private bool _started;
    private bool _active;

    public QueueControl(SlotPool pool, GuardedBackend backend, BulkInQueueOptions options, ILogger logger, string name)
    {
        _pool = pool;
        _backend = backend;
        _options = options;
        _logger = logger;
        _name = name;
        _drain = new TransportDrain(pool, backend.Capabilities.HasFlag(BulkInCapabilities.CancelAbortsEndpoint));
        _recovery = new Recovery(pool, backend, options, _drain, _nativeWork, logger, name);
        _verbs = new ControlVerbs(pool, backend, _recovery, name);
    }

    private enum Turn
    {
        Rest,
        End,
        Fault,
        Request,
    }

    /// <inheritdoc cref="FaultCounters"/>
    public FaultCounters Counters => _recovery.Counters;

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
        lock (_pool.Gate)
        {
            if (!_pool.LatchHandleClosed())
            {
                return;
            }

            PreemptUnsynchronized();
        }

        Kick();
    }

    /// <summary>Asks for a verb and waits for its end; the token ends the wait only.</summary>
    public Task RequestAsync(ControlVerb verb, CancellationToken cancellationToken)
    {
        ControlRequest request = new(verb);
        lock (_pool.Gate)
        {
            ObjectDisposedException.ThrowIf(_pool.IsClosed, typeof(BulkInQueue));
            if (cancellationToken.IsCancellationRequested)
            {
                return Task.FromCanceled(cancellationToken);
            }

            _requests.Add(request);

            // A stop does not wait for a recovery or a pause; for another stop it does.
            if (verb == ControlVerb.Stop && _served?.Verb != ControlVerb.Stop)
            {
                PreemptUnsynchronized();
            }
        }

        Kick();
        return request.Done.WaitAsync(cancellationToken);
    }

    /// <summary>Ends the loop, cancels and frees. Called once, after the pool's close: from there on no turn begins and nothing is posted.</summary>
    /// <param name="watchdogEnded">Done when nobody looks at the handle on a timer any more.</param>
    [SuppressMessage("Design", "CA1031", Justification = "Only the user's clock can throw there, and what it bounds must end all the same.")]
    public async Task DisposeAsync(Task watchdogEnded)
    {
        Ending ending;
        try
        {
            ending = await EndAsync(watchdogEnded, _options.TimeProvider).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            _logger.DisposalFailed(failure, nameof(TimeProvider));
            ending = await EndAsync(watchdogEnded, TimeProvider.System).ConfigureAwait(false);
        }

        int leaked = _pool.FreeOrAbandon(abandon: !ending.IsIdle);
        if (leaked == 0 && ending.IsIdle)
        {
            return;
        }

        string reason = ending.IsHandleClosed ? "its owner closed the handle first"
            : ending.IsLoopEnded ? "the event thread that pumps this handle has stopped, or the host controller hangs"
            : "the control of the queue is blocked, in the logger or in the backend";
        if (ending.IsLoopEnded)
        {
            _logger.TransfersLeaked(_name, leaked, _options.BufferLength, reason);
        }
        else
        {
            // The logger may be what blocks the control: it must not block the teardown, too.
            _ = Task.Run(() => _logger.TransfersLeaked(_name, leaked, _options.BufferLength, reason));
        }
    }

    /// <summary>Ends the loop and brings every transfer back, within the bound. May be called again when the clock threw.</summary>
    private async Task<Ending> EndAsync(Task watchdogEnded, TimeProvider time)
    {
        lock (_pool.Gate)
        {
            if (!_active)
            {
                _ = _loopEnded.TrySetResult();
            }

            PreemptUnsynchronized();
        }

        Bound bound = new(_options.DisposeTimeout, time);
        bool isLoopEnded = await bound.EndsAsync(_loopEnded.Task).ConfigureAwait(false);
        ControlRequest[] unserved;
        bool isHandleClosed;
        lock (_pool.Gate)
        {
            // The one in service, too: its work may be what is blocked.
            unserved = [.. _requests];
            _requests.Clear();
            isHandleClosed = _pool.IsHandleClosed || _recovery.Fault is { Error: BulkInError.HandleClosed };
        }

        foreach (ControlRequest request in unserved)
        {
            request.Fail(new ObjectDisposedException(_name));
        }

        isHandleClosed |= _backend.Capabilities.HasFlag(BulkInCapabilities.OwnerMayClose) && _backend.IsClosed;

        // What the loop touches is free to use only once it ended. With the handle closed under us no completion will come and no native call may be made:
        // there is nothing to wait for.
        if (isLoopEnded && !isHandleClosed)
        {
            _drain.Begin();
            _ = await _drain.WaitAsync(bound.Left, time, CancellationToken.None).ConfigureAwait(false);
        }

        bool isIdle = isLoopEnded
            && await bound.EndsAsync(_nativeWork.Completion).ConfigureAwait(false)
            && await bound.EndsAsync(watchdogEnded).ConfigureAwait(false)
            && _drain.HasCancelled;
        return new Ending(isLoopEnded, isHandleClosed, isIdle);
    }

    /// <summary>Cuts the turn in progress short. Gate held: no callback runs inside CancelAsync, they are left to the thread pool. Not awaited, because the loop may go on inside of
    /// them, and in it a user's logger that blocks.</summary>
    private void PreemptUnsynchronized() => _ = _preempt.CancelAsync();

    [SuppressMessage("Design", "CA1031", Justification = "The loop must survive whatever a backend or a clock throws; the failure becomes the queue's fault.")]
    private async Task RunAsync()
    {
        while (true)
        {
            ControlRequest? request;
            CancellationToken preempt;
            lock (_pool.Gate)
            {
                Turn turn = NextUnsynchronized(out request);
                _served = request;
                _servedFault = turn == Turn.Fault;
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
                await (request is null ? _recovery.HandleFaultAsync(preempt) : _verbs.ServeAsync(request.Verb, preempt)).ConfigureAwait(false);
                End(request, failure: null);
            }
            catch (OperationCanceledException) when (preempt.IsCancellationRequested || _pool.IsClosed)
            {
                // Something more urgent came: what was begun is taken up by it. A request waits for its next turn.
                continue;
            }
            catch (Exception failure)
            {
                if (request is null || failure is not (BulkInException or InvalidOperationException))
                {
                    _logger.ControlFailed(failure, _name);
                    _recovery.Fail();
                }

                End(request, failure);
            }
        }
    }

    private void End(ControlRequest? request, Exception? failure)
    {
        if (request is null)
        {
            return;
        }

        lock (_pool.Gate)
        {
            _ = _requests.Remove(request);
        }

        if (failure is null)
        {
            request.Succeed();
        }
        else
        {
            request.Fail(failure);
        }
    }

    private Turn NextUnsynchronized(out ControlRequest? request)
    {
        request = null;
        if (_pool.IsClosed)
        {
            return Turn.End;
        }

        // Before a stop, too, which would wait for completions that never come.
        if (_pool is { IsHandleClosed: true, State: not (BulkInState.Gone or BulkInState.Stopped) })
        {
            return Turn.Fault;
        }

        int at = _requests.FindIndex(static r => r.Verb == ControlVerb.Stop);
        bool isFaulty = _pool is { IsFaultLatched: true, State: BulkInState.Running } or { State: BulkInState.Recovering };

        // A device that halts after every recovery must not keep the verbs waiting for ever: once the queue ran again, they take turns with the faults.
        bool isTheirTurn = _servedFault && _pool.State == BulkInState.Running && _requests.Count > 0;
        if (at < 0 && isFaulty && !isTheirTurn)
        {
            return Turn.Fault;
        }

        request = at >= 0 ? _requests[at] : _requests.FirstOrDefault();
        return request is null ? Turn.Rest : Turn.Request;
    }

    /// <summary>How the teardown went.</summary>
    private readonly record struct Ending(bool IsLoopEnded, bool IsHandleClosed, bool IsIdle);

    /// <summary>What is left of a bound that began with this value.</summary>
    private readonly struct Bound(TimeSpan length, TimeProvider time)
    {
        private readonly long _start = time.GetTimestamp();

        public TimeSpan Left => length - time.GetElapsedTime(_start) is { Ticks: > 0 } left ? left : TimeSpan.Zero;

        /// <summary>Waits for work; false when it did not end in time. Never throws, however the work ended, and leaves no timer behind.</summary>
        public async Task<bool> EndsAsync(Task work)
        {
            if (!work.IsCompleted)
            {
                await work.WaitAsync(Left, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            return work.IsCompleted;
        }
    }
}
