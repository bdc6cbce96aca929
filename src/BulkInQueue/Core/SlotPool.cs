using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using BulkIn.Backends;

namespace BulkIn.Core;

/// <summary>What a look at the stream found.</summary>
internal enum TakeOutcome
{
    /// <summary>A transfer, owned by the reader now.</summary>
    Data,

    /// <summary>Nothing yet.</summary>
    Nothing,

    /// <summary>A fault at its position.</summary>
    Fault,

    /// <summary>Stopped, and everything was delivered.</summary>
    Stopped,

    /// <summary>Disposed of.</summary>
    Closed,
}

/// <summary>
/// Slots, buffers and the stream they make: posts transfers, takes completed ones in submission order, keeps what was detached from slots.
/// </summary>
/// <remarks>
/// <para>The stream is the ready list followed by the posted FIFO: everything in the former precedes everything in the latter.</para>
/// <para><see cref="Gate"/> guards everything here but the fields of the completion path (<c>_inFlight</c>, <c>_faultLatched</c>, <c>_awaited</c>,
/// <c>_quiescing</c>, the slots' words), which the completing thread touches without a lock. The gate is held briefly, never around user code or a
/// wait; the one native call made under it is the submit, because "enqueue and submit" must be one step for the order to be the bus's.</para>
/// <para>Invariants, with the gate held: every slot is idle, in the FIFO, or stuck; every buffer is free, in a slot, ready, with the reader or leased;
/// <c>_inFlight</c> is at least the number of posted slots.</para>
/// </remarks>
internal sealed class SlotPool : IDisposable
{
    private readonly IBulkInBackend _backend;
    private readonly Slot[] _slots;
    private readonly PostedFifo _posted;
    private readonly Queue<Slot> _idle;
    private readonly Stack<QueueBuffer> _free;
    private readonly Queue<ReadyItem> _ready;
    private readonly List<Slot> _stuck = [];
    private readonly HashSet<Slot> _lost = [];
    private readonly ReaderSignal _signal;
    private readonly Action _controlWanted;

    private int _inFlight;
    private int _faultLatched;
    private int _quiescing;
    private Slot? _awaited;
    private Action? _drained;

    private bool _postingOpen;
    private bool _closed;
    private bool _transfersFreed;
    private int _buffersAlive;
    private Fault? _submitFault;
    private BackendResult? _deferredFor;
    private Fault? _sticky;
    private long _changes;

    private long _sequence;
    private long _bytes;
    private long _discarded;
    private long _deferred;
    private long _outOfOrder;
    private readonly long[] _outcomes = new long[TransferOutcomes.Count];
    private long _starvations;
    private long _starvedTicks;
    private long _lastCompletion;
    private int _leases;
    private int _leaked;

    /// <summary>Allocates buffers and transfers; nothing is posted.</summary>
    /// <param name="backend">Disposed of by the pool, after the last transfer and buffer.</param>
    /// <param name="options">Validated.</param>
    /// <param name="signal">The reader's.</param>
    /// <param name="controlWanted">Called, from any thread and with the gate held or not, when a fault was latched. It only signals.</param>
    [SuppressMessage("Reliability", "CA2000", Justification = "The pool owns the buffers it keeps; Free disposes of them.")]
    public SlotPool(IBulkInBackend backend, BulkInQueueOptions options, ReaderSignal signal, Action controlWanted)
    {
        _backend = backend;
        _signal = signal;
        _controlWanted = controlWanted;
        int buffers = options.Depth + options.SpareBuffers;
        _slots = new Slot[options.Depth];
        _posted = new PostedFifo(options.Depth);
        _idle = new Queue<Slot>(options.Depth);
        _free = new Stack<QueueBuffer>(buffers);
        _ready = new Queue<ReadyItem>(buffers + 2);
        try
        {
            for (int i = 0; i < buffers; i++)
            {
                _free.Push(new QueueBuffer(this, Allocate(backend, options.BufferLength)));
                _buffersAlive++;
            }

            for (int i = 0; i < _slots.Length; i++)
            {
                Slot slot = new(this, i);
                slot.Transfer = backend.CreateTransfer(slot);
                _slots[i] = slot;
                _idle.Enqueue(slot);
            }
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

    /// <summary>True from the first byte of a transfer that did not fail after <see cref="StartPosting"/>; recovery counts its attempts by it. Gate held.</summary>
    public bool BytesArrived { get; private set; }

    /// <summary>True from <see cref="Close"/> on. With the gate held the answer holds until the gate is left.</summary>
    public bool IsClosed => Volatile.Read(ref _closed);

    public bool IsFaultLatched => Volatile.Read(ref _faultLatched) != 0;

    /// <summary>True while transfers are with the transport.</summary>
    public bool IsInFlight => Volatile.Read(ref _inFlight) != 0;

    // ---- The completion path: any thread, no lock, no allocation, no exception. ----

    /// <summary>A cancel that the queue asked for is no failure.</summary>
    public bool IsFailure(TransferStatus status) =>
        status != TransferStatus.Completed && !(status == TransferStatus.Cancelled && Volatile.Read(ref _quiescing) != 0);

    /// <summary>From now on nothing is posted until recovery.</summary>
    public void LatchFault() => Volatile.Write(ref _faultLatched, 1);

    /// <summary>The slot's word is published.</summary>
    public void OnCompleted(Slot slot, bool failed)
    {
        // A full fence, too: it orders the publication before the read of _awaited and _drained, against the reader's publication of _awaited (or the
        // drainer's of _drained) before its second look at the slot (or the count). One of the two sees the other.
        if (Interlocked.Decrement(ref _inFlight) == 0)
        {
            Volatile.Read(ref _drained)?.Invoke();
        }

        if (ReferenceEquals(Volatile.Read(ref _awaited), slot) && Interlocked.CompareExchange(ref _awaited, null, slot) == slot)
        {
            _signal.Wake(WakeReason.Changed);
        }

        if (failed)
        {
            _controlWanted();
        }
    }

    // ---- The reader. ----

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

            while (_ready.TryPeek(out ReadyItem item))
            {
                if (item.Fault is null)
                {
                    received = _ready.Dequeue().Data;
                    return TakeOutcome.Data;
                }

                if (!item.Fault.Published)
                {
                    look = new Look(Slot: null, _changes);
                    return TakeOutcome.Nothing;
                }

                bool seen = item.Fault.Delivered;
                item.Fault.Delivered = true;
                if (!ReferenceEquals(item.Fault, _sticky))
                {
                    _ = _ready.Dequeue();
                    if (seen)
                    {
                        continue;
                    }
                }

                fault = item.Fault;
                return TakeOutcome.Fault;
            }

            Slot? head = _posted.Head;
            if (head is null)
            {
                look = new Look(Slot: null, _changes);
                return State == BulkInState.Stopped ? TakeOutcome.Stopped : TakeOutcome.Nothing;
            }

            // A failed or cancelled head is the control's: it decides what its position becomes.
            if (!head.IsCompleted || head.Status != TransferStatus.Completed)
            {
                look = new Look(head, _changes);
                return TakeOutcome.Nothing;
            }

            received = HarvestHeadUnsynchronized();
            PostIdleUnsynchronized();
            return TakeOutcome.Data;
        }
    }

    /// <summary>How many transfers could be taken now without waiting, at the most.</summary>
    public int ReadyTransfers
    {
        get
        {
            lock (Gate)
            {
                return _ready.Count + _posted.Count;
            }
        }
    }

    /// <summary>Takes the next transfer of the stream, unless a fault comes first.</summary>
    public bool TryTakeData(out Received received)
    {
        lock (Gate)
        {
            if (_ready.TryPeek(out ReadyItem item) && item.Fault is not null)
            {
                received = default;
                return false;
            }

            return TryTake(out received, out _, out _) == TakeOutcome.Data;
        }
    }

    /// <summary>
    /// Second half of a wait: publishes what the armed signal waits for and looks again, so that a completion or a change between the first look and now
    /// is not missed.
    /// </summary>
    public void Await(Look look)
    {
        Volatile.Write(ref _awaited, look.Slot);

        // Pairs with the fence in OnCompleted and in NotifyReaderUnsynchronized: see there.
        Interlocked.MemoryBarrier();
        if (look.Slot is { IsCompleted: true, Status: TransferStatus.Completed } || Volatile.Read(ref _changes) != look.Changes)
        {
            _signal.Wake(WakeReason.Changed);
        }
    }

    /// <summary>The wait is over.</summary>
    public void EndAwait() => Volatile.Write(ref _awaited, null);

    /// <summary>A buffer comes back from the reader or a lease: a slot without one is posted with it.</summary>
    public void Return(QueueBuffer buffer)
    {
        bool closed;
        lock (Gate)
        {
            closed = _closed;
            if (!closed)
            {
                _free.Push(buffer);
                if (_idle.Count > 0)
                {
                    bool wasEmpty = _posted.Count == 0;
                    PostIdleUnsynchronized();
                    if (wasEmpty)
                    {
                        NotifyReaderUnsynchronized();
                    }
                }
            }
        }

        if (closed)
        {
            FreeBuffer(buffer);
        }
    }

    /// <summary>Data that goes undelivered on purpose: from the reader's remainder or from <see cref="BulkInQueue.Discard"/>.</summary>
    public void Discard(in Received data)
    {
        CountDiscarded(data.Length);
        Return(data.Buffer);
    }

    /// <summary>Bytes of leases that nobody read.</summary>
    public void CountDiscarded(long bytes) => Interlocked.Add(ref _discarded, bytes);

    public void CountLease(int change) => Interlocked.Add(ref _leases, change);

    // ---- The control: one thread at a time (QueueControl). ----

    /// <summary>Enters a state; after the close there is no other than Disposed. Gate held.</summary>
    public void EnterUnsynchronized(BulkInState state)
    {
        AssertInvariants();
        State = _closed ? BulkInState.Disposed : state;
        _postingOpen = false;
        NotifyReaderUnsynchronized();
    }

    /// <summary>Posts one slot for each free buffer and enters Running. Gate held.</summary>
    /// <returns>The fault of a refused submit when nothing could be posted at all; it is not latched then.</returns>
    public Fault? StartPosting()
    {
        Debug.Assert(Gate.IsHeldByCurrentThread, "Posting needs the gate.");
        Debug.Assert(_posted.Count == 0, "Posting starts with nothing posted.");
        Debug.Assert(!_closed, "Nothing is posted after the close.");
        _ = Interlocked.Exchange(ref _faultLatched, 0);
        _submitFault = null;
        BytesArrived = false;
        _lastCompletion = 0;
        _postingOpen = true;
        PostIdleUnsynchronized();
        if (_submitFault is { } fault && _posted.Count == 0)
        {
            _submitFault = null;
            _postingOpen = false;
            _ = Interlocked.Exchange(ref _faultLatched, 0);
            fault.Sequence = _sequence;
            fault.BytePosition = _bytes;
            return fault;
        }

        // With every buffer out nothing could be posted: that is starvation from now on.
        _lastCompletion = _posted.Count == 0 ? Stopwatch.GetTimestamp() : 0;
        State = BulkInState.Running;
        NotifyReaderUnsynchronized();
        return null;
    }

    /// <summary>Why a slot is not posted though it has a buffer: a refused submit, or one deferred for want of memory. Gate held; only for the opening.</summary>
    public Fault? RefusedAtOpen => _submitFault ?? (_deferredFor is { } refused ? Fault.OfCall(refused) : null);

    /// <summary>Stops posting and answers whom to cancel, newest first: a freed head must not let data land behind it.</summary>
    public Slot[] BeginQuiesce(Action drained)
    {
        lock (Gate)
        {
            _postingOpen = false;
            Volatile.Write(ref _quiescing, 1);

            // A full fence: either the last completion sees the action, or the caller's look at IsInFlight sees that it came before.
            _ = Interlocked.Exchange(ref _drained, drained);
            List<Slot> targets = new(_posted.Count + _stuck.Count);
            for (int age = _posted.Count - 1; age >= 0; age--)
            {
                if (_posted[age].State == SlotState.Posted)
                {
                    targets.Add(_posted[age]);
                }
            }

            foreach (Slot slot in _stuck)
            {
                if (slot.State == SlotState.Posted)
                {
                    targets.Add(slot);
                }
            }

            return [.. targets];
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
        Fault? fault = null;
        bool interrupted = false;
        while (_posted.Count > 0)
        {
            Slot slot = _posted.Head!;
            if (slot.State == SlotState.Posted)
            {
                _ = _posted.Dequeue();
                _stuck.Add(slot);
                isMissing = true;
                fault ??= EnqueueFault(new Fault());
                continue;
            }

            TransferStatus status = slot.Status;
            bool failed = slot.Failed;
            int native = slot.NativeStatus;
            if (status == TransferStatus.Completed || slot.Length > 0)
            {
                _ready.Enqueue(new ReadyItem(HarvestHeadUnsynchronized()));
            }
            else
            {
                _outcomes[(int)TransferOutcomes.Of(status, failed, 0)] += failed ? 1 : 0;
                _ = _posted.Dequeue();
                _free.Push(slot.MarkIdle());
                _idle.Enqueue(slot);
            }

            if (failed)
            {
                interrupted |= Fault.IsInterruption(status);
                fault ??= EnqueueFault(Fault.OfTransfer(status, native));
            }
        }

        if (_submitFault is { } refused)
        {
            _submitFault = null;
            if (fault is null)
            {
                fault = EnqueueFault(refused);
            }
            else if (refused.Class == FaultClass.Terminal)
            {
                fault.Class = FaultClass.Terminal;
                fault.Error = refused.Error;
                fault.Result = refused.Result;
            }
        }

        if (fault is { Class: FaultClass.Recoverable } && interrupted)
        {
            fault.Class = FaultClass.Interrupted;
            fault.Error = BulkInError.Interrupted;
        }

        // Whatever failed besides: with transfers still at the transport there is no clearing of a halt and no posting.
        if (isMissing)
        {
            fault ??= EnqueueFault(new Fault());
            if (fault.Class != FaultClass.Terminal)
            {
                fault.Class = FaultClass.Interrupted;
                fault.Error = BulkInError.CompletionMissing;
            }
        }

        Volatile.Write(ref _quiescing, 0);
        if (!IsInFlight)
        {
            // Otherwise the late completions still end the drain, so that the teardown learns of them.
            Volatile.Write(ref _drained, null);
        }

        _ = Interlocked.Exchange(ref _faultLatched, 0);
        AssertInvariants();
        NotifyReaderUnsynchronized();
        return fault;
    }

    /// <summary>Makes a fault visible to receives. Gate held.</summary>
    /// <param name="fault">From <see cref="Collect"/>.</param>
    /// <param name="sticky">True: it is thrown again and again until <see cref="Unstick"/>; false: once.</param>
    public void Publish(Fault fault, bool sticky)
    {
        Debug.Assert(Gate.IsHeldByCurrentThread, "Publishing needs the gate.");
        fault.Published = true;
        if (sticky)
        {
            PublishAll();
            _sticky = fault;
            if (!IsReady(fault))
            {
                _ready.Enqueue(new ReadyItem(fault));
            }
        }

        NotifyReaderUnsynchronized();
    }

    /// <summary>Puts <paramref name="better"/> where <paramref name="fault"/> waits undelivered, if it does. Gate held.</summary>
    public void Replace(Fault fault, Fault better)
    {
        Debug.Assert(Gate.IsHeldByCurrentThread, "Replacing needs the gate.");
        for (int turn = _ready.Count; turn > 0; turn--)
        {
            ReadyItem item = _ready.Dequeue();
            bool match = ReferenceEquals(item.Fault, fault) && !fault.Delivered;
            _ready.Enqueue(match ? new ReadyItem(better) : item);
        }
    }

    /// <summary>The sticky fault is over: delivered, it disappears; undelivered, it is thrown once. Gate held.</summary>
    public void Unstick()
    {
        _sticky = null;
        NotifyReaderUnsynchronized();
    }

    /// <summary>
    /// Ends the stream with a terminal fault, behind all data. An undelivered fault with data behind it stays at its position, because the data
    /// it separates has a gap there; one without becomes the terminal fault. Gate held.
    /// </summary>
    public Fault EndStream(BulkInError error, BackendResult result, Fault? current)
    {
        Debug.Assert(Gate.IsHeldByCurrentThread, "Ending the stream needs the gate.");
        Fault end = current is { Delivered: false } && IsLast(current)
            ? current
            : EnqueueFault(new Fault());
        if (current is { Class: FaultClass.Terminal } && !ReferenceEquals(current, end))
        {
            current.Class = FaultClass.Interrupted;
            current.Error = BulkInError.Interrupted;
        }

        end.Error = error;
        end.Class = FaultClass.Terminal;
        end.RecoversByItself = false;
        if (!result.IsSuccess)
        {
            end.Result = result;
        }

        end.Sequence = _sequence;
        end.BytePosition = _bytes;
        end.Delivered = false;
        EnterUnsynchronized(BulkInState.Gone);
        Publish(end, sticky: true);
        return end;
    }

    /// <summary>A foreign handle was closed by its owner: no completion will come.</summary>
    public void LatchHandleClosed()
    {
        lock (Gate)
        {
            if (_closed || State is BulkInState.Gone)
            {
                return;
            }

            _submitFault = Fault.OfCall(new BackendResult(BackendStatus.HandleClosed));
            _postingOpen = false;
            LatchFault();
        }

        _controlWanted();
    }

    /// <summary>True when the latched fault is a closed handle: nothing is worth waiting for. Gate held.</summary>
    public bool IsHandleClosed => _submitFault is { Error: BulkInError.HandleClosed };

    /// <summary>Refuses everything from now on.</summary>
    public void Close()
    {
        lock (Gate)
        {
            State = BulkInState.Disposed;
            _postingOpen = false;
            _closed = true;
            _ = Interlocked.Increment(ref _changes);
        }

        _signal.Wake(WakeReason.Closed);
    }

    /// <summary>
    /// After Close: frees transfers, then the buffers the queue holds; the last buffer to come back from a reader or a lease frees the backend.
    /// Completions that never came leave their transfer, their buffer and the backend where they are, for good.
    /// </summary>
    /// <param name="abandon">True when native work never ended, a cancel or a control request: then nothing native is freed.</param>
    /// <returns>Transfers leaked.</returns>
    public int FreeOrAbandon(bool abandon)
    {
        lock (Gate)
        {
            Debug.Assert(_closed, "Free after close.");
            CountUndelivered();
            foreach (Slot slot in _slots)
            {
                if (slot.State == SlotState.Posted)
                {
                    _ = _lost.Add(slot);
                }
            }

            _leaked = _lost.Count;
        }

        if (_lost.Count > 0 || abandon)
        {
            AbandonedTransfers.Keep(this);
        }

        if (!abandon)
        {
            Free();
        }

        return _lost.Count;
    }

    public BulkInStatistics Snapshot()
    {
        lock (Gate)
        {
            long starved = _starvedTicks;
            long count = _starvations;
            if (State == BulkInState.Running && !IsFaultLatched && _postingOpen && StarvedSince() is > 0 and long since)
            {
                starved += Math.Max(0, Stopwatch.GetTimestamp() - since);
                count++;
            }

            int posted = 0;
            foreach (Slot slot in _slots)
            {
                posted += slot is { State: SlotState.Posted } ? 1 : 0;
            }

            return new BulkInStatistics
            {
                Transfers = _sequence,
                Bytes = _bytes,
                BytesDiscarded = Interlocked.Read(ref _discarded),
                SubmitsDeferred = _deferred,
                OutOfOrderCompletions = _outOfOrder,
                Starvations = count,
                StarvationTime = TimeSpan.FromSeconds((double)starved / Stopwatch.Frequency),
                Posted = posted,
                Idle = _idle.Count,
                FreeBuffers = _free.Count,
                Leases = Volatile.Read(ref _leases),
                Leaked = _leaked,
            };
        }
    }

    /// <summary>Adds the transfers ended so far to sums by <see cref="TransferOutcome"/>.</summary>
    public void AddOutcomesTo(long[] totals)
    {
        lock (Gate)
        {
            for (int i = 0; i < _outcomes.Length; i++)
            {
                totals[i] += _outcomes[i];
            }
        }
    }

    /// <summary>Nothing is disposed of here but in the order that <see cref="FreeOrAbandon"/> keeps.</summary>
    public void Dispose() => Free();

    private static TransferBuffer Allocate(IBulkInBackend backend, int length) => backend.AllocateBuffer(length) ?? new PinnedBuffer(length);

    private void Free()
    {
        // The cancelling thread has returned and every completion was reported, but for the lost ones': no other transfer is in use. Buffers outlive
        // transfers, the handle's reference outlives both. A lost transfer keeps its buffer, and so the count of buffers above zero and the backend alive.
        foreach (Slot? slot in _slots)
        {
            if (slot is not null && !_lost.Contains(slot))
            {
                slot.Transfer.Dispose();
            }
        }

        List<QueueBuffer> mine;
        lock (Gate)
        {
            _closed = true;
            _transfersFreed = true;
            mine = [.. _free];
            _free.Clear();
            foreach (ReadyItem item in _ready)
            {
                if (item.Fault is null)
                {
                    mine.Add(item.Data.Buffer);
                }
            }

            _ready.Clear();
            while (_posted.Count > 0)
            {
                _stuck.Add(_posted.Dequeue());
            }

            foreach (Slot slot in _stuck)
            {
                if (!_lost.Contains(slot))
                {
                    mine.Add(slot.MarkIdle());
                }
            }

            _stuck.Clear();

            // One count for this method, so that the backend is disposed of here even when there is no buffer left.
            _buffersAlive++;
        }

        foreach (QueueBuffer buffer in mine)
        {
            buffer.Storage.Dispose();
        }

        ReleaseBuffers(mine.Count + 1);
    }

    /// <summary>A reader's or a lease's buffer, returned after the close. While the transfers are still with the transport the backend stays.</summary>
    private void FreeBuffer(QueueBuffer buffer)
    {
        buffer.Storage.Dispose();
        ReleaseBuffers(1);
    }

    private void ReleaseBuffers(int count)
    {
        bool last;
        lock (Gate)
        {
            _buffersAlive -= count;
            last = _buffersAlive == 0 && _transfersFreed;
        }

        if (last)
        {
            _backend.Dispose();
        }
    }

    private Received HarvestHeadUnsynchronized()
    {
        Slot slot = _posted.Dequeue();
        int length = slot.Length;
        if (slot.CompletedAt < _lastCompletion)
        {
            _outOfOrder++;
        }
        else
        {
            _lastCompletion = slot.CompletedAt;
        }

        TransferStatus status = slot.Status;
        Received received = new()
        {
            Sequence = _sequence++,
            Timestamp = slot.CompletedAt,
            Length = length,
            EndOfMessage = status == TransferStatus.Completed && length < slot.Buffer!.Length,
            Untrusted = status == TransferStatus.Overflow,
        };
        _outcomes[(int)TransferOutcomes.Of(status, slot.Failed, length)]++;
        received.Buffer = slot.MarkIdle();
        _idle.Enqueue(slot);
        _bytes += length;

        // The bytes of a failed transfer are no sign of a recovered endpoint: a device that overflows every transfer would be recovered for ever.
        BytesArrived |= length > 0 && !slot.Failed;
        return received;
    }

    /// <summary>Posts idle slots while there are buffers, nothing failed and the transport takes them.</summary>
    private void PostIdleUnsynchronized()
    {
        Debug.Assert(Gate.IsHeldByCurrentThread, "Posting needs the gate: it makes enqueue and submit one step.");
        while (_postingOpen && !IsFaultLatched && _idle.Count > 0 && _free.Count > 0)
        {
            if (!PostUnsynchronized(_idle.Peek(), _free.Peek()))
            {
                return;
            }

            _ = _idle.Dequeue();
            _ = _free.Pop();
        }
    }

    private bool PostUnsynchronized(Slot slot, QueueBuffer buffer)
    {
        long starvedSince = StarvedSince();
        slot.MarkPosted(buffer);
        _posted.Enqueue(slot);
        _ = Interlocked.Increment(ref _inFlight);
        long submitting = starvedSince == 0 ? 0 : Stopwatch.GetTimestamp();
        BackendResult result = Submit(slot.Transfer, buffer.Storage);
        if (result.IsSuccess)
        {
            if (starvedSince != 0)
            {
                _starvations++;
                _starvedTicks += Math.Max(0, submitting - starvedSince);
            }

            return true;
        }

        _ = Interlocked.Decrement(ref _inFlight);
        _posted.RollBackTail(slot);
        _ = slot.MarkIdle();
        if (result.Status == BackendStatus.NoMemory && _posted.Count > 0)
        {
            // Tried again as others complete.
            _deferred++;
            _deferredFor = result;
            return false;
        }

        _submitFault = Fault.OfCall(result);
        LatchFault();
        _controlWanted();
        return false;
    }

    [SuppressMessage("Design", "CA1031", Justification = "A backend that throws took nothing; as a refused submit it costs neither the slot nor the data just taken from it.")]
    private static BackendResult Submit(IBulkInTransfer transfer, TransferBuffer buffer)
    {
        try
        {
            return transfer.Submit(buffer);
        }
        catch (Exception)
        {
            return new BackendResult(BackendStatus.Other);
        }
    }

    /// <summary>Since when nothing is posted; 0 while something is.</summary>
    /// <remarks>Exact with the gate held: only posts raise the count, and a completion stamps its slot before it lowers it.</remarks>
    private long StarvedSince() => Volatile.Read(ref _inFlight) == 0 ? LastCompletion() : 0;

    /// <summary>When the newest of the completed transfers ended; 0 when none did since posting started.</summary>
    private long LastCompletion()
    {
        long last = _lastCompletion;
        for (int age = 0; age < _posted.Count; age++)
        {
            last = Math.Max(last, _posted[age].CompletedAt);
        }

        return last;
    }

    private void NotifyReaderUnsynchronized()
    {
        // Full fence: either the reader's second look sees the new count, or Wake sees the armed word.
        _ = Interlocked.Increment(ref _changes);
        _signal.Wake(WakeReason.Changed);
    }

    private Fault EnqueueFault(Fault fault)
    {
        fault.Sequence = _sequence;
        fault.BytePosition = _bytes;
        _ready.Enqueue(new ReadyItem(fault));
        return fault;
    }

    /// <summary>Nobody will classify what is left unclassified: a control turn was cut short, and receives must not wait there for ever.</summary>
    private void PublishAll()
    {
        foreach (ReadyItem item in _ready)
        {
            if (item.Fault is { } fault)
            {
                fault.Published = true;
            }
        }
    }

    private bool IsReady(Fault fault)
    {
        foreach (ReadyItem item in _ready)
        {
            if (ReferenceEquals(item.Fault, fault))
            {
                return true;
            }
        }

        return false;
    }

    private bool IsLast(Fault fault)
    {
        Fault? last = null;
        foreach (ReadyItem item in _ready)
        {
            last = item.Fault;
        }

        return ReferenceEquals(last, fault);
    }

    private void CountUndelivered()
    {
        foreach (ReadyItem item in _ready)
        {
            _discarded += item.Fault is null ? item.Data.Length : 0;
        }

        for (int age = 0; age < _posted.Count; age++)
        {
            _discarded += _posted[age].IsCompleted ? _posted[age].Length : 0;
        }
    }

    [Conditional("DEBUG")]
    private void AssertInvariants()
    {
        Debug.Assert(Gate.IsHeldByCurrentThread, "Invariants hold under the gate.");
        Debug.Assert(_posted.Count + _idle.Count + _stuck.Count == _slots.Length, "Every slot is idle, posted or stuck.");
        Debug.Assert(_free.Count <= _buffersAlive, "A buffer is free twice.");
    }

    /// <summary>What a reader that found nothing waits for.</summary>
    /// <param name="Slot">The head of the posted FIFO, or null when only a change can help.</param>
    /// <param name="Changes">The count of changes at the look.</param>
    [StructLayout(LayoutKind.Auto)]
    internal readonly record struct Look(Slot? Slot, long Changes);
}
