using System.Diagnostics;
using BulkIn.Backends;

namespace BulkIn.Core;

/// <summary>
/// The stream that slots and buffers make: receives take from it, the control opens it, drains it, faults it and ends it.
/// </summary>
/// <remarks>
/// <para>The stream is the ready list followed by the posted FIFO: everything in the former precedes everything in the latter.</para>
/// <para><see cref="Gate"/> guards it and everything it is made of, but for the completion path, which has no lock. The gate is held briefly, never around user code or a
/// wait; the one native call made under it is the submit, because "enqueue and submit" must be one step for the order to be the bus's.</para>
/// <para>Invariant, with the gate held: every buffer is free, in a slot, ready, with the reader or leased.</para>
/// </remarks>
internal sealed class SlotPool
{
    private readonly ReaderWatch _watch;
    private readonly CompletionPath _completions;
    private readonly BufferPool _buffers;
    private readonly SlotPoster _slots;
    private readonly ReadyList _ready;
    private readonly StreamCounters _counters = new();

    private bool _closed;
    private int _leases;

    /// <summary>Allocates buffers and transfers; nothing is posted.</summary>
    /// <param name="backend">Disposed of by the pool, after the last transfer and buffer.</param>
    /// <param name="options">Validated.</param>
    /// <param name="signal">The reader's.</param>
    /// <param name="controlWanted">Called, from any thread and with the gate held or not, when a fault was latched. It only signals.</param>
    public SlotPool(GuardedBackend backend, BulkInQueueOptions options, ReaderSignal signal, Action controlWanted)
    {
        int buffers = options.Depth + options.SpareBuffers;
        _watch = new ReaderWatch(signal);
        _completions = new CompletionPath(_watch, controlWanted);
        _buffers = new BufferPool(backend, buffers);
        _slots = new SlotPoster(backend, options.Depth, _buffers, _completions, _counters);

        // A drain adds at most one fault to what the buffers hold, and one may be left from before.
        _ready = new ReadyList(buffers + 2);
        try
        {
            for (int i = 0; i < buffers; i++)
            {
                _buffers.Allocate(this, options.BufferLength);
            }

            _slots.CreateTransfers();
        }
        catch
        {
            Free();
            throw;
        }
    }

    /// <summary>Guards this pool and the control state that must change with it.</summary>
    public Lock Gate { get; } = new();

    /// <summary>Written with the gate held.</summary>
    public BulkInState State { get; private set; } = BulkInState.Paused;

    /// <inheritdoc cref="StreamCounters.BytesArrived"/>
    public bool BytesArrived => _counters.BytesArrived;

    /// <summary>True from <see cref="Close"/> on. With the gate held the answer holds until the gate is left.</summary>
    public bool IsClosed => Volatile.Read(ref _closed);

    public bool IsFaultLatched => _completions.IsFaultLatched;

    /// <inheritdoc cref="CompletionPath.IsInFlight"/>
    public bool IsInFlight => _completions.IsInFlight;

    // ---- The reader. ----

    /// <summary>How many transfers could be taken now without waiting, at the most.</summary>
    public int ReadyTransfers
    {
        get
        {
            lock (Gate)
            {
                return _ready.Transfers + _slots.Count;
            }
        }
    }

    /// <summary>Takes the next transfer of the stream and posts its slot again, when that is possible without a free buffer to wait for.</summary>
    /// <param name="received">The transfer, for <see cref="TakeOutcome.Data"/>.</param>
    /// <param name="fault">The fault, for <see cref="TakeOutcome.Fault"/>.</param>
    /// <param name="look">What to wait for, for <see cref="TakeOutcome.Nothing"/>.</param>
    public TakeOutcome TryTake(out Received received, out Fault? fault, out Look look)
    {
        received = default;
        fault = null;
        look = default;
        lock (Gate)
        {
            if (_closed)
            {
                return TakeOutcome.Closed;
            }

            Slot? head = null;
            if (_ready.Count == 0 || _ready.Take(out received, out fault) is not { } outcome)
            {
                head = _slots.Head;

                // A failed or cancelled head is the control's: it decides what its position becomes.
                if (head is { IsCompleted: true, Status: TransferStatus.Completed })
                {
                    received = _slots.HarvestAndPost();
                    return TakeOutcome.Data;
                }

                outcome = head is null && State == BulkInState.Stopped ? TakeOutcome.Stopped : TakeOutcome.Nothing;
            }

            if (outcome == TakeOutcome.Nothing)
            {
                look = _watch.Look(head);
            }

            return outcome;
        }
    }

    /// <summary>Takes the next transfer of the stream, unless a fault comes first.</summary>
    public bool TryTakeData(out Received received)
    {
        lock (Gate)
        {
            if (_ready.IsFaultNext())
            {
                received = default;
                return false;
            }

            return TryTake(out received, out _, out _) == TakeOutcome.Data;
        }
    }

    /// <inheritdoc cref="ReaderWatch.Await"/>
    public void Await(Look look) => _watch.Await(look);

    /// <inheritdoc cref="ReaderWatch.EndAwait"/>
    public void EndAwait() => _watch.EndAwait();

    /// <summary>A buffer comes back from the reader or a lease: a slot without one is posted with it.</summary>
    public void Return(QueueBuffer buffer)
    {
        bool closed;
        lock (Gate)
        {
            closed = _closed;
            if (!closed)
            {
                _buffers.Put(buffer);
                if (_slots.IdleCount > 0)
                {
                    bool wasEmpty = _slots.Count == 0;
                    _slots.PostIdle();
                    if (wasEmpty)
                    {
                        _watch.NotifyChanged();
                    }
                }
            }
        }

        if (closed)
        {
            _buffers.Free(buffer);
        }
    }

    /// <summary>Data that goes undelivered on purpose: from the reader's remainder or from <see cref="BulkInQueue.Discard"/>.</summary>
    public void Discard(in Received data)
    {
        CountDiscarded(data.Length);
        Return(data.Buffer);
    }

    /// <summary>Bytes of leases that nobody read.</summary>
    public void CountDiscarded(long bytes) => _counters.Discard(bytes);

    public void CountLease(int change) => Interlocked.Add(ref _leases, change);

    // ---- The control: one thread at a time (QueueControl). ----

    /// <summary>Enters a state; after the close there is no other than Disposed. Gate held.</summary>
    public void EnterUnsynchronized(BulkInState state)
    {
        Debug.Assert(Gate.IsHeldByCurrentThread, "The state changes under the gate.");
        _slots.AssertInvariants();
        State = _closed ? BulkInState.Disposed : state;
        _slots.Close();
        _watch.NotifyChanged();
    }

    /// <summary>Posts one slot for each free buffer and enters Running. Gate held.</summary>
    /// <returns>The fault of a refused submit when nothing could be posted at all; it is not latched then.</returns>
    public Fault? StartPosting()
    {
        Debug.Assert(Gate.IsHeldByCurrentThread, "Posting needs the gate: it makes enqueue and submit one step.");
        Debug.Assert(!_closed, "Nothing is posted after the close.");
        if (_slots.Open() is { } refused)
        {
            return refused;
        }

        State = BulkInState.Running;
        _watch.NotifyChanged();
        return null;
    }

    /// <summary>True while slots are posted, or completed and not taken. Gate held.</summary>
    public bool HasPosted => _slots.Count > 0;

    /// <inheritdoc cref="SlotPoster.RefusedAtOpen"/>
    public Fault? RefusedAtOpen => _slots.RefusedAtOpen;

    /// <summary>Stops posting.</summary>
    /// <param name="drained">Called when the last transfer comes back, unless <see cref="IsInFlight"/> is false right after this.</param>
    /// <returns>Whom to cancel, in this order.</returns>
    public Slot[] BeginQuiesce(Action drained)
    {
        lock (Gate)
        {
            _slots.Close();
            _completions.BeginQuiesce(drained);
            return _slots.CancelTargets();
        }
    }

    /// <summary>
    /// Moves everything from the FIFO to the ready list, in order: data as data, the first failure (or refused submit) as one unpublished fault at
    /// its position; the others belong to the same generation. Gate held, after the drain or its bound.
    /// </summary>
    /// <param name="isMissing">The drain ran into its bound: the transport may still use transfers, so nothing can be posted any more.</param>
    /// <returns>The generation's fault, unpublished, or <see langword="null"/>.</returns>
    public Fault? Collect(bool isMissing)
    {
        Debug.Assert(Gate.IsHeldByCurrentThread, "Collecting needs the gate.");
        FaultGeneration generation = new(_ready, _counters);
        _slots.Collect(_ready, generation);
        if (isMissing)
        {
            generation.AddMissing();
        }

        _completions.EndQuiesce();
        _watch.NotifyChanged();
        return generation.Classify();
    }

    /// <summary>Makes a fault visible to receives. Gate held.</summary>
    /// <param name="fault">From <see cref="Collect"/>.</param>
    /// <param name="sticky">True: it is thrown again and again until <see cref="Unstick"/>; false: once.</param>
    public void Publish(Fault fault, bool sticky)
    {
        Debug.Assert(Gate.IsHeldByCurrentThread, "Publishing needs the gate.");
        _ready.Publish(fault, sticky);
        _watch.NotifyChanged();
    }

    /// <summary>A fault behind everything that has left its slot, unpublished. Gate held.</summary>
    public Fault Add(Fault fault)
    {
        Debug.Assert(Gate.IsHeldByCurrentThread, "Adding needs the gate.");
        _counters.Stamp(fault);
        _ready.Add(fault);
        return fault;
    }

    /// <summary>Puts <paramref name="better"/> where <paramref name="fault"/> waits undelivered, if it does. Gate held.</summary>
    public void Replace(Fault fault, Fault better)
    {
        Debug.Assert(Gate.IsHeldByCurrentThread, "Replacing needs the gate.");
        _ready.Replace(fault, better);
    }

    /// <summary>The sticky fault is over: delivered, it disappears; undelivered, it is thrown once. Gate held.</summary>
    public void Unstick()
    {
        _ready.Unstick();
        _watch.NotifyChanged();
    }

    /// <summary>
    /// Ends the stream with a terminal fault, behind all data. An undelivered fault with data behind it stays at its position, because the data
    /// it separates has a gap there; one without becomes the terminal fault. Gate held.
    /// </summary>
    public Fault EndStream(BulkInError error, BackendResult result, Fault? current)
    {
        Debug.Assert(Gate.IsHeldByCurrentThread, "Ending the stream needs the gate.");
        Fault end;
        if (current is { Delivered: false } && _ready.EndsWith(current))
        {
            end = current;
        }
        else
        {
            end = new Fault();
            _ready.Add(end);
            if (current is { Class: FaultClass.Terminal })
            {
                current.Class = FaultClass.Interrupted;
                current.Error = BulkInError.Interrupted;
            }
        }

        end.Error = error;
        end.Class = FaultClass.Terminal;
        end.RecoversByItself = false;
        if (!result.IsSuccess)
        {
            end.Result = result;
        }

        _counters.Stamp(end);
        end.Delivered = false;
        EnterUnsynchronized(BulkInState.Gone);
        Publish(end, sticky: true);
        return end;
    }

    /// <summary>A foreign handle was closed by its owner: no completion will come. Gate held.</summary>
    /// <returns>False when that is known, or makes no difference any more.</returns>
    public bool LatchHandleClosed()
    {
        Debug.Assert(Gate.IsHeldByCurrentThread, "Latching needs the gate.");
        if (_closed || IsHandleClosed || State is BulkInState.Gone or BulkInState.Stopped)
        {
            return false;
        }

        _slots.Refuse(new BackendResult(BackendStatus.HandleClosed));
        return true;
    }

    /// <summary>True when the latched fault is a closed handle: nothing is worth waiting for. Gate held.</summary>
    public bool IsHandleClosed => _slots.Refused is { Error: BulkInError.HandleClosed };

    /// <summary>Refuses everything from now on.</summary>
    public void Close()
    {
        lock (Gate)
        {
            State = BulkInState.Disposed;
            _slots.Close();
            _closed = true;
            _watch.CountClose();
        }

        _watch.WakeClosed();
    }

    /// <summary>
    /// After Close: frees transfers, then the buffers the queue holds; the last buffer to come back from a reader or a lease frees the backend.
    /// Completions that never came leave their transfer, their buffer and the backend where they are, for good.
    /// </summary>
    /// <param name="abandon">True when native work never ended, a cancel or a control request: then nothing native is freed.</param>
    /// <returns>Transfers leaked.</returns>
    public int FreeOrAbandon(bool abandon)
    {
        int lost;
        lock (Gate)
        {
            Debug.Assert(_closed, "Free after close.");
            _counters.Discard(_ready.Bytes);
            lost = _slots.GiveUp();
        }

        if (lost > 0 || abandon)
        {
            AbandonedTransfers.Keep(this);
        }

        if (!abandon)
        {
            Free();
        }

        return lost;
    }

    public BulkInStatistics Snapshot()
    {
        lock (Gate)
        {
            BulkInStatistics stream = new()
            {
                Transfers = _counters.Sequence,
                Bytes = _counters.Bytes,
                BytesDiscarded = _counters.Discarded,
                OutOfOrderCompletions = _counters.OutOfOrder,
                FreeBuffers = _buffers.Count,
                Leases = Volatile.Read(ref _leases),
            };
            return _slots.Describe(stream, isRunning: State == BulkInState.Running);
        }
    }

    /// <inheritdoc cref="StreamCounters.AddOutcomesTo"/>
    public void AddOutcomesTo(long[] totals)
    {
        lock (Gate)
        {
            _counters.AddOutcomesTo(totals);
        }
    }

    private void Free()
    {
        // The cancelling thread has returned and every completion was reported, but for the lost ones': no other transfer is in use. Buffers outlive
        // transfers, the handle's reference outlives both. A lost transfer keeps its buffer, and so the backend alive.
        _slots.DisposeTransfers();
        List<QueueBuffer> mine = [];
        lock (Gate)
        {
            _closed = true;
            _buffers.MoveFreeTo(mine);
            _ready.MoveBuffersTo(mine);
            _slots.MoveBuffersTo(mine);
        }

        foreach (QueueBuffer buffer in mine)
        {
            _buffers.Free(buffer);
        }

        _buffers.OnTransfersFreed();
    }
}
