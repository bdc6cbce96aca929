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
    private readonly IBulkInBackend _backend;
    private readonly BulkInQueueOptions _options;
    private readonly BulkInCapabilities _capabilities;
    private readonly NativeWork _nativeWork = new();
    private readonly TransportDrain _drain;
    private readonly Recovery _recovery;
    private readonly ControlVerbs _verbs;
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

    /// <summary>Looks whether the owner of a foreign handle closed it: then nothing that waits for the transport is worth waiting for.</summary>
    public void Watch()
    {
        if (!IsClosedByOwner())
        {
            return;
        }

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
            closedUnderUs = _recovery.Fault is { Error: BulkInError.HandleClosed } || _pool.IsHandleClosed
                || (_capabilities.HasFlag(BulkInCapabilities.OwnerMayClose) && IsClosedByOwner());
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

        bool idle = loopEnded && await EndsWithinAsync(_nativeWork.Completion, Left(start)).ConfigureAwait(false) && _drain.HasCancelled;
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

    [SuppressMessage("Design", "CA1031", Justification = "A backend that throws here proves nothing, and on the watchdog's timer it would end the process.")]
    private bool IsClosedByOwner()
    {
        try
        {
            return _backend.IsClosed;
        }
        catch (Exception)
        {
            return false;
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
                await (request is null ? _recovery.HandleFaultAsync(preempt) : _verbs.ServeAsync(request.Verb, preempt, _disposal.Token)).ConfigureAwait(false);
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
                    _recovery.Fail();
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
}
