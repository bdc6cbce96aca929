using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using BulkIn.Backends;

namespace BulkIn.Core;

/// <summary>
/// The slots: posts idle ones while there are buffers, nothing failed and the transport takes them, and gives completed ones back in the order they were posted. All
/// members are called with the pool's gate held, but for the freeing at the end.
/// </summary>
/// <remarks>
/// Invariants: every slot is idle, in the FIFO, or stuck (its completion did not come in time); a slot has a buffer unless it is idle; the count in flight is at least the
/// number of posted slots.
/// </remarks>
internal sealed class SlotPoster
{
    private readonly GuardedBackend _backend;
    private readonly Slot[] _slots;
    private readonly Queue<Slot> _idle;
    private readonly List<Slot> _stuck = [];
    private readonly HashSet<Slot> _lost = [];
    private readonly PostedFifo _posted;
    private readonly BufferPool _buffers;
    private readonly CompletionPath _completions;
    private readonly StreamCounters _counters;
    private readonly StarvationClock _starvation;

    private bool _isOpen;
    private Fault? _refused;
    private BackendResult? _deferredFor;
    private long _deferred;

    /// <summary>No slot has a transfer yet: see <see cref="CreateTransfers"/>.</summary>
    public SlotPoster(GuardedBackend backend, int depth, BufferPool buffers, CompletionPath completions, StreamCounters counters)
    {
        _backend = backend;
        _slots = new Slot[depth];
        _idle = new Queue<Slot>(depth);
        _posted = new PostedFifo(depth);
        _buffers = buffers;
        _completions = completions;
        _counters = counters;
        _starvation = new StarvationClock(_posted, completions);
    }

    /// <summary>Slots posted, or completed and not harvested.</summary>
    public int Count => _posted.Count;

    /// <summary>The cursor: the slot whose data comes next.</summary>
    public Slot? Head => _posted.Head;

    public int IdleCount => _idle.Count;

    /// <summary>A submit was refused for good, and no <see cref="Collect"/> has taken it up.</summary>
    public Fault? Refused => _refused;

    /// <summary>Why a slot is not posted though it has a buffer: a refused submit, or one deferred for want of memory. Only for the opening.</summary>
    public Fault? RefusedAtOpen => _refused ?? (_deferredFor is { } refused ? Fault.OfCall(refused) : null);

    /// <summary>How many slots are with the transport.</summary>
    public int PostedCount
    {
        get
        {
            int posted = 0;
            foreach (Slot slot in _slots)
            {
                posted += slot is { State: SlotState.Posted } ? 1 : 0;
            }

            return posted;
        }
    }

    private bool CanPost => _isOpen && !_completions.IsFaultLatched && _buffers.Count > 0;

    /// <summary>Creates the transfers. When it throws, <see cref="DisposeTransfers"/> frees those created before.</summary>
    public void CreateTransfers()
    {
        for (int i = 0; i < _slots.Length; i++)
        {
            Slot slot = new(_completions);
            slot.Transfer = _backend.CreateTransfer(slot);
            _slots[i] = slot;
            _idle.Enqueue(slot);
        }
    }

    /// <summary>Begins to post.</summary>
    /// <returns>The fault of a refused submit when nothing could be posted at all: posting is closed then, and nothing latched.</returns>
    public Fault? Open()
    {
        Debug.Assert(_posted.Count == 0, "Posting starts with nothing posted.");
        _completions.UnlatchFault();
        _refused = null;
        _counters.StartCountingArrivals();
        _starvation.Reset();
        _isOpen = true;
        PostIdle();
        if (_posted.Count > 0)
        {
            return null;
        }

        if (_refused is { } refused)
        {
            _refused = null;
            _isOpen = false;
            _completions.UnlatchFault();
            _counters.Stamp(refused);
            return refused;
        }

        // Every buffer is out.
        _starvation.StartStarved();
        return null;
    }

    /// <summary>Nothing is posted from now on.</summary>
    public void Close()
    {
        // What is starved of buffers until now was starved, though no submit ends it. After a failure nothing is posted on purpose.
        if (_isOpen && !_completions.IsFaultLatched && _starvation.Since is > 0 and long since)
        {
            _starvation.End(since, Stopwatch.GetTimestamp());
        }

        _isOpen = false;
    }

    /// <summary>As a submit refused for this reason: nothing is posted from now on, and the control hears of it.</summary>
    public void Refuse(BackendResult result)
    {
        Close();
        _refused = Fault.OfCall(result);
        _completions.LatchFault();
    }

    /// <summary>Posts idle slots while there are buffers, nothing failed and the transport takes them.</summary>
    public void PostIdle()
    {
        while (_idle.Count > 0 && CanPost)
        {
            if (!TryPost(_idle.Peek(), _buffers.Peek()))
            {
                return;
            }

            _ = _idle.Dequeue();
            _ = _buffers.Take();
        }
    }

    /// <summary><see cref="Harvest"/>, then <see cref="PostIdle"/>; where none was idle and a buffer is free, which is the steady state, without the way through the idle slots.</summary>
    public Received HarvestAndPost()
    {
        Received received = Detach(out Slot slot);
        if (_idle.Count == 0 && CanPost)
        {
            if (TryPost(slot, _buffers.Peek()))
            {
                _ = _buffers.Take();
            }
            else
            {
                _idle.Enqueue(slot);
            }
        }
        else
        {
            _idle.Enqueue(slot);
            PostIdle();
        }

        return received;
    }

    /// <summary>Detaches the head, which has completed: its slot is idle, its data is the caller's.</summary>
    public Received Harvest()
    {
        Received received = Detach(out Slot slot);
        _idle.Enqueue(slot);
        return received;
    }

    /// <summary>Whom to cancel, newest first: a freed head must not let data land behind it.</summary>
    public Slot[] CancelTargets()
    {
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

    /// <summary>
    /// Empties the FIFO, in order: data goes to the ready list, failures to the generation. A slot that is still with the transport is stuck from now on.
    /// </summary>
    public void Collect(ReadyList ready, FaultGeneration generation)
    {
        while (_posted.Head is { } slot)
        {
            if (slot.State == SlotState.Posted)
            {
                _stuck.Add(_posted.Dequeue());
                generation.AddMissing();
                continue;
            }

            TransferStatus status = slot.Status;
            bool failed = slot.Failed;
            int native = slot.NativeStatus;
            if (status == TransferStatus.Completed || slot.Length > 0)
            {
                ready.Add(Harvest());
            }
            else
            {
                HarvestEmpty();
            }

            if (failed)
            {
                generation.AddFailure(status, native);
            }
        }

        if (_refused is { } refused)
        {
            _refused = null;
            generation.AddRefused(refused);
        }
    }

    /// <summary>Counts what completed and will not be delivered, and remembers what is still with the transport as lost: it is never freed.</summary>
    /// <returns>How many are lost.</returns>
    public int GiveUp()
    {
        for (int age = 0; age < _posted.Count; age++)
        {
            _counters.Discard(_posted[age].IsCompleted ? _posted[age].Length : 0);
        }

        foreach (Slot slot in _slots)
        {
            if (slot.State == SlotState.Posted)
            {
                _ = _lost.Add(slot);
            }
        }

        return _lost.Count;
    }

    /// <summary>Frees every transfer but the lost ones. Gate not held: nobody posts, cancels or completes any more.</summary>
    public void DisposeTransfers()
    {
        foreach (Slot? slot in _slots)
        {
            if (slot is not null && !_lost.Contains(slot))
            {
                _backend.Dispose(slot.Transfer);
            }
        }
    }

    /// <summary>Empties the slots for the end. The lost ones keep their buffers, and by these the backend.</summary>
    public void MoveBuffersTo(List<QueueBuffer> buffers)
    {
        while (_posted.Count > 0)
        {
            _stuck.Add(_posted.Dequeue());
        }

        foreach (Slot slot in _stuck)
        {
            if (!_lost.Contains(slot))
            {
                buffers.Add(slot.MarkIdle());
            }
        }

        _stuck.Clear();
    }

    /// <summary>Fills in what is known here.</summary>
    /// <param name="statistics">The rest.</param>
    /// <param name="isRunning">True when slots should be posted.</param>
    public BulkInStatistics Describe(in BulkInStatistics statistics, bool isRunning)
    {
        (long starvations, TimeSpan starved) = _starvation.Read(counts: isRunning && _isOpen && !_completions.IsFaultLatched);
        return statistics with
        {
            SubmitsDeferred = _deferred,
            Starvations = starvations,
            StarvationTime = starved,
            Posted = PostedCount,
            Idle = _idle.Count,
            Leaked = _lost.Count,
        };
    }

    [Conditional("DEBUG")]
    public void AssertInvariants() =>
        Debug.Assert(_posted.Count + _idle.Count + _stuck.Count == _slots.Length, "Every slot is idle, posted or stuck.");

    private Received Detach(out Slot slot)
    {
        slot = _posted.Dequeue();
        TransferStatus status = slot.Status;
        int length = slot.Length;
        Received received = new()
        {
            Sequence = _counters.Add(status, slot.Failed, length, _starvation.OnHarvest(slot.CompletedAt)),
            Timestamp = slot.CompletedAt,
            Length = length,
            EndOfMessage = status == TransferStatus.Completed && length < slot.Buffer!.Length,
            Untrusted = status == TransferStatus.Overflow,
        };
        received.Buffer = slot.MarkIdle();
        return received;
    }

    private void HarvestEmpty()
    {
        Slot slot = _posted.Dequeue();
        if (slot.Failed)
        {
            _counters.AddEmptyFailure(slot.Status);
        }

        _buffers.Put(slot.MarkIdle());
        _idle.Enqueue(slot);
    }

    private bool TryPost(Slot slot, QueueBuffer buffer)
    {
        long starvedSince = _starvation.Since;
        slot.MarkPosted(buffer);
        _posted.Enqueue(slot);
        _completions.OnPosting();
        long submitting = starvedSince == 0 ? 0 : Stopwatch.GetTimestamp();
        BackendResult result = Submit(slot.Transfer, buffer.Storage, out Exception? thrown);
        if (result.IsSuccess)
        {
            if (starvedSince != 0)
            {
                _starvation.End(starvedSince, submitting);
            }

            return true;
        }

        _completions.OnRefused();
        _posted.RollBackTail(slot);
        _ = slot.MarkIdle();
        if (result.Status == BackendStatus.NoMemory && _posted.Count > 0)
        {
            // Tried again as others complete.
            _deferred++;
            _deferredFor = result;
            return false;
        }

        _refused = Fault.OfCall(result, thrown);
        _completions.LatchFault();
        _completions.CallControl();
        return false;
    }

    /// <remarks>Nothing is logged here, with the gate held: the fault carries what was thrown to where it is.</remarks>
    [SuppressMessage("Design", "CA1031", Justification = "A backend that throws took nothing; as a refused submit it costs neither the slot nor the data just taken from it.")]
    private static BackendResult Submit(IBulkInTransfer transfer, TransferBuffer buffer, out Exception? thrown)
    {
        try
        {
            thrown = null;
            return transfer.Submit(buffer);
        }
        catch (Exception failure)
        {
            thrown = failure;
            return new BackendResult(BackendStatus.Other);
        }
    }
}
