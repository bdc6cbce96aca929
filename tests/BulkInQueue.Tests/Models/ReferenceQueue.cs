using System.Runtime.InteropServices;
using BulkIn.Backends;

namespace BulkIn;

/// <summary>
/// The queue's contract, executed one thing at a time: no thread, no lock, no completion on its way. Whatever happens at the same time in the queue must end as if it had
/// happened here in this order: the device, then the reader as far as it gets, then the control, which lets the reader go first whenever it has reported a fault.
/// </summary>
internal sealed partial class ReferenceQueue
{
    private readonly Sequence _setup;
    private readonly ReferenceDevice _device;

    // The stream: what is detached from slots, then what is posted, both in order.
    private readonly List<Item> _detached = [];
    private readonly List<ReferenceTransfer> _posted = [];
    private readonly List<(ControlEvent Event, bool PendingHasEnded)> _events = [];
    private readonly List<ReferenceTransfer> _leases = [];
    private ReferenceTransfer? _rest;
    private ReferenceFault? _sticky;
    private ReferenceFault? _current;
    private BackendStatus _refused;
    private bool _isPostingOpen;
    private bool _needsClear;
    private bool _bytesArrived;
    private int _attempts;
    private int _idle;
    private int _free;
    private (int? Room, TimeSpan? Deadline)? _pending;
    private TimeSpan _now;
    private long _transfers;
    private long _bytes;
    private long _discarded;
    private long _faults;
    private long _recoveries;
    private long _deferred;

    public ReferenceQueue(Sequence setup, ReferenceDevice device)
    {
        _setup = setup;
        _device = device;
        _idle = setup.Depth;
        _free = setup.Depth + setup.Spares;
        _ = StartPosting();
    }

    public BulkInState State { get; private set; }

    /// <summary>What the last step logged, and whether the pending receive had ended by then.</summary>
    public IReadOnlyList<(ControlEvent Event, bool PendingHasEnded)> Events => _events;

    public bool IsPending => _pending is not null;

    /// <summary>What the pending receive ended with in the last step; null when it waits on, or there is none.</summary>
    public Outcome? PendingOutcome { get; private set; }

    public int Leases => _leases.Count;

    /// <summary>A receive would end at once.</summary>
    public bool IsSomethingReady => _rest is not null || _detached.Exists(i => i.Fault is not { WasThrown: true } || i.Fault == _sticky) || _posted is [{ Status: TransferStatus.Completed }, ..];

    public Figures Figures => new(
        State, _transfers, _bytes, _discarded, _faults, _recoveries, _deferred, _device.Posted, _idle, _free, _leases.Count, _device.Submissions);

    private bool IsFaultLatched => _refused != BackendStatus.Success || _posted.Exists(static t => t.IsFailure);

    /// <summary>A step begins.</summary>
    public void Begin()
    {
        _events.Clear();
        PendingOutcome = null;
    }

    /// <summary>The device, or the reader, did something: the reader goes as far as it gets, then the control does.</summary>
    public void Run()
    {
        ServePending();
        while (IsFaultLatched && State == BulkInState.Running)
        {
            HandleFault();
        }

        ServePending();
    }

    // ---- The reader. ----

    /// <summary>A receive that does not wait.</summary>
    public Outcome Poll(int? room) => _pending is null ? Take(room) ?? Outcome.TimedOut : Outcome.Refused;

    /// <summary>A receive that waits.</summary>
    public void Receive(int? room, TimeSpan? timeout) => _pending = (room, _now + timeout);

    public void Cancel() => EndPending(Outcome.Cancelled);

    public void Elapse(TimeSpan time)
    {
        _now += time;
        if (_pending is { Deadline: { } deadline } && deadline <= _now)
        {
            EndPending(Outcome.TimedOut);
        }
    }

    public byte[] Return(int lease)
    {
        ReferenceTransfer returned = _leases[lease];
        _leases.RemoveAt(lease);
        Free();
        return Rest(returned);
    }

    public Outcome Discard()
    {
        if (_pending is not null)
        {
            return Outcome.Refused;
        }

        long dropped = _rest?.Left ?? 0;
        if (_rest is not null)
        {
            _rest = null;
            Free();
        }

        // One turn of the queue: what follows may be new.
        for (int turn = _detached.Count(static i => i.Data is not null) + _posted.Count; turn > 0 && TakeTransfer() is { } transfer; turn--)
        {
            dropped += transfer.Left;
            Free();
        }

        _discarded += dropped;
        return Outcome.Discarded(dropped);
    }

    // ---- The verbs. ----

    public Outcome Recover()
    {
        switch (State)
        {
            case BulkInState.Running:
                return Outcome.Done;
            case BulkInState.Gone:
                return Outcome.Failed(isTerminal: true);
            case BulkInState.Faulted:
                break;
            default:
                return Outcome.Refused;
        }

        State = BulkInState.Recovering;
        ReferenceFault? stuck = _sticky;
        _sticky = null;
        if (TryPostAgain() is not { } refused)
        {
            _attempts = 0;
            Log(ControlEvent.Recovered);
            return Outcome.Done;
        }

        Log(ControlEvent.AttemptFailed);
        if (EndsStream(refused))
        {
            return Outcome.Failed(isTerminal: true);
        }

        State = BulkInState.Faulted;
        _sticky = stuck;
        return Outcome.Failed(isTerminal: false);
    }

    public Outcome Pause()
    {
        switch (State)
        {
            case BulkInState.Gone:
                return Outcome.Failed(isTerminal: true);
            case BulkInState.Stopped:
                return Outcome.Refused;
            default:
                Quiesce(BulkInState.Paused);
                return Outcome.Done;
        }
    }

    public Outcome Stop()
    {
        Quiesce(BulkInState.Stopped);
        return Outcome.Done;
    }

    public Outcome Resume()
    {
        switch (State)
        {
            case BulkInState.Running:
                return Outcome.Done;
            case BulkInState.Gone:
                return Outcome.Failed(isTerminal: true);
            case BulkInState.Paused when TryPostAgain() is { } refused:
                return Outcome.Failed(EndsStream(refused));
            case BulkInState.Paused:
                _attempts = 0;
                return Outcome.Done;
            default:
                return Outcome.Refused;
        }
    }

    public void Dispose()
    {
        EndPending(Outcome.Disposed);
        State = BulkInState.Disposed;
        _device.CancelAll();
        _discarded += (_rest?.Left ?? 0) + _detached.Sum(static i => i.Data?.Left ?? 0) + _posted.Sum(static t => t.Left);
    }

    // ---- The stream. ----

    private static byte[] Rest(ReferenceTransfer transfer) => [.. transfer.Bytes.Skip(transfer.Taken)];

    private void ServePending()
    {
        if (_pending is { } pending && Take(pending.Room) is { } outcome)
        {
            EndPending(outcome);
        }
    }

    private void EndPending(Outcome outcome)
    {
        if (_pending is not null)
        {
            _pending = null;
            PendingOutcome = outcome;
        }
    }

    /// <summary>Data, then the fault at its place; null when there is nothing yet.</summary>
    private Outcome? Take(int? room)
    {
        if (TakeTransfer() is { } transfer)
        {
            return Give(transfer, room);
        }

        if (_detached is [{ Fault: { IsPublished: true } fault }, ..])
        {
            fault.WasThrown = true;
            return Outcome.Fault(fault.Error, fault.Transfers, fault.Bytes, fault.IntactFrom, fault.Recovers);
        }

        return State == BulkInState.Stopped && _detached.Count == 0 ? Outcome.Stopped : null;
    }

    private ReferenceTransfer? TakeTransfer()
    {
        if (_rest is { } rest)
        {
            _rest = null;
            return rest;
        }

        // Thrown once, and nothing is left of it but while it sticks.
        _ = _detached.RemoveAll(i => i.Fault is { WasThrown: true } thrown && thrown != _sticky);
        if (_detached.Count > 0)
        {
            ReferenceTransfer? data = _detached[0].Data;
            if (data is not null)
            {
                _detached.RemoveAt(0);
            }

            return data;
        }

        if (_posted is not [{ Status: TransferStatus.Completed } head, ..])
        {
            return null;
        }

        _posted.RemoveAt(0);
        Detach(head);
        PostIdle();
        return head;
    }

    private Outcome Give(ReferenceTransfer transfer, int? room)
    {
        int count = Math.Min(transfer.Left, room ?? int.MaxValue);
        byte[] bytes = [.. transfer.Bytes.Skip(transfer.Taken).Take(count)];
        int remaining = transfer.Left - count;
        if (room is null)
        {
            _leases.Add(transfer);
        }
        else if (remaining == 0)
        {
            Free();
        }
        else
        {
            transfer.Taken += count;
            _rest = transfer;
        }

        return Outcome.Data(
            bytes,
            transfer.Number,
            remaining,
            remaining == 0 && transfer is { Status: TransferStatus.Completed, Bytes.Count: < ReferenceDevice.BufferLength },
            transfer.Status == TransferStatus.Overflow);
    }

    /// <summary>The transfer gets its place in the stream and keeps its buffer; its slot is idle.</summary>
    private void Detach(ReferenceTransfer transfer)
    {
        transfer.Number = _transfers++;
        _bytes += transfer.Bytes.Count;
        _bytesArrived |= transfer is { IsFailure: false, Bytes.Count: > 0 };
        _idle++;
    }

    private void Free()
    {
        _free++;
        PostIdle();
    }

    // ---- Posting. ----

    private void PostIdle()
    {
        while (_isPostingOpen && !IsFaultLatched && _idle > 0 && _free > 0)
        {
            ReferenceTransfer transfer = new();
            _posted.Add(transfer);
            BackendStatus answer = _device.Submit(transfer);
            if (answer == BackendStatus.Success)
            {
                _idle--;
                _free--;
                continue;
            }

            _ = _posted.Remove(transfer);
            if (answer == BackendStatus.NoMemory && _posted.Count > 0)
            {
                // Tried again as others complete.
                _deferred++;
                return;
            }

            _refused = answer;
        }
    }

    /// <returns>The answer that refused the very first submit; null when Running.</returns>
    private BackendStatus? StartPosting()
    {
        _refused = BackendStatus.Success;
        _bytesArrived = false;
        _isPostingOpen = true;
        PostIdle();
        if (_refused != BackendStatus.Success && _posted.Count == 0)
        {
            BackendStatus refused = _refused;
            _refused = BackendStatus.Success;
            _isPostingOpen = false;
            return refused;
        }

        State = BulkInState.Running;
        return null;
    }

    /// <summary>A transfer with data, or a fault at its place.</summary>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Item(ReferenceTransfer? Data, ReferenceFault? Fault);
}
