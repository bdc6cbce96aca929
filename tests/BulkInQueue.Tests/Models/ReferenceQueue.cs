using System.Runtime.InteropServices;
using BulkIn.Backends;

namespace BulkIn;

/// <summary>What the queue logs of a recovery, by event id.</summary>
internal enum ControlEvent
{
    Faulted = 2,
    Recovered = 3,
    AttemptFailed = 4,
    GaveUp = 5,
}

/// <summary>A generation's fault in the model.</summary>
internal sealed class ReferenceFault
{
    public BulkInError Error { get; set; }

    public long Transfers { get; set; }

    public long Bytes { get; set; }

    public bool Recovers { get; set; }

    /// <summary>Receives may throw it; before that they wait at its position.</summary>
    public bool IsPublished { get; set; }

    public bool WasThrown { get; set; }

    public bool IsTerminal => Error == BulkInError.DeviceGone;
}

/// <summary>The figures that queue and model must agree on after every step.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Figures(
    BulkInState State,
    long Transfers,
    long Bytes,
    long Discarded,
    long Faults,
    long Recoveries,
    long Deferred,
    int Posted,
    int Idle,
    int Free,
    int Leases,
    long Submissions);

/// <summary>
/// The queue's contract, executed one thing at a time: no thread, no lock, no completion on its way. Whatever happens at the same time in the queue must end as if it had
/// happened here in this order: the device, then the reader as far as it gets, then the control, which lets the reader go first whenever it has reported a fault.
/// </summary>
internal sealed class ReferenceQueue
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
            return Outcome.Fault(fault.Error, fault.Transfers, fault.Bytes, fault.Recovers);
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

    // ---- Faults. ----

    private void HandleFault()
    {
        State = BulkInState.Recovering;
        ReferenceFault fault = Collect()!;
        _faults++;
        _current = fault;
        _needsClear = true;
        if (fault.IsTerminal || (NeedsProbe(fault.Error) && IsGone(_setup.Attempts)))
        {
            EndStream();
            return;
        }

        if (fault.Error == BulkInError.Interrupted || _setup.Recovery == BulkInRecovery.Manual)
        {
            GiveUp(fault);
            return;
        }

        _attempts = _bytesArrived ? 0 : _attempts;
        if (_attempts < _setup.Attempts)
        {
            fault.Recovers = true;
            fault.IsPublished = true;
        }

        Log(ControlEvent.Faulted);
        while (_attempts < _setup.Attempts)
        {
            _attempts++;
            if (TryPostAgain() is not { } refused)
            {
                Log(ControlEvent.Recovered);
                return;
            }

            Log(ControlEvent.AttemptFailed);
            if (EndsStream(refused))
            {
                return;
            }
        }

        // The promise to recover is withdrawn: undelivered, the fault makes none; delivered, it comes again at the end.
        ReferenceFault last = new() { Error = fault.Error, Transfers = fault.Transfers, Bytes = fault.Bytes, WasThrown = fault.WasThrown };
        int at = _detached.FindIndex(i => i.Fault == fault);
        if (at >= 0 && !fault.WasThrown)
        {
            _detached[at] = new Item(null, last);
        }
        else
        {
            _detached.Add(new Item(null, last));
        }

        GiveUp(last);
    }

    /// <summary>Cancels all, keeps what arrived, and puts one fault where the first failure was.</summary>
    private ReferenceFault? Collect()
    {
        _isPostingOpen = false;
        _device.CancelAll();
        ReferenceFault? fault = null;
        bool isInterrupted = false;
        foreach (ReferenceTransfer transfer in _posted)
        {
            if (transfer.Status == TransferStatus.Completed || transfer.Bytes.Count > 0)
            {
                Detach(transfer);
                _detached.Add(new Item(transfer, null));
            }
            else
            {
                _idle++;
                _free++;
            }

            if (transfer.IsFailure)
            {
                isInterrupted |= transfer.Status is TransferStatus.NoDevice or TransferStatus.Cancelled;
                fault ??= Place(transfer.Status switch
                {
                    TransferStatus.Stall => BulkInError.Stall,
                    TransferStatus.Overflow => BulkInError.Overflow,
                    _ => BulkInError.TransferError,
                });
            }
        }

        _posted.Clear();
        if (_refused != BackendStatus.Success)
        {
            fault ??= Place(_refused switch
            {
                BackendStatus.NoDevice => BulkInError.DeviceGone,
                BackendStatus.NoMemory => BulkInError.OutOfMemory,
                BackendStatus.Pipe => BulkInError.Stall,
                _ => BulkInError.SubmitFailed,
            });
            _refused = BackendStatus.Success;
        }

        if (isInterrupted)
        {
            fault!.Error = BulkInError.Interrupted;
        }

        return fault;
    }

    private ReferenceFault Place(BulkInError error)
    {
        ReferenceFault fault = new() { Error = error, Transfers = _transfers, Bytes = _bytes };
        _detached.Add(new Item(null, fault));
        return fault;
    }

    /// <returns>What refused it; null when Running.</returns>
    private BackendStatus? TryPostAgain()
    {
        // Memory that was short is no halt, and where the driver clears the halt a second time costs a packet.
        bool clears = _needsClear && _current?.Error != BulkInError.OutOfMemory && !_setup.Capabilities.HasFlag(BulkInCapabilities.ClearsHaltItself);
        if (clears && !_device.ClearHalt())
        {
            return BackendStatus.Other;
        }

        bool isRecovery = State == BulkInState.Recovering;
        if (StartPosting() is { } refused)
        {
            return refused;
        }

        _needsClear = false;
        _recoveries += isRecovery ? 1 : 0;
        return null;
    }

    private bool NeedsProbe(BulkInError error) => error switch
    {
        BulkInError.Stall => _setup.Capabilities.HasFlag(BulkInCapabilities.StallMayMeanGone),
        BulkInError.Overflow or BulkInError.OutOfMemory => false,
        _ => true,
    };

    private bool IsGone(int tries)
    {
        DevicePresence presence = DevicePresence.Unknown;
        for (int i = 0; i < tries && presence == DevicePresence.Unknown; i++)
        {
            presence = _device.Probe();
        }

        return presence == DevicePresence.Gone;
    }

    private bool EndsStream(BackendStatus refused)
    {
        bool ends = refused == BackendStatus.NoDevice || (refused != BackendStatus.NoMemory && IsGone(tries: 1));
        if (ends)
        {
            EndStream();
        }

        return ends;
    }

    private void GiveUp(ReferenceFault fault)
    {
        fault.IsPublished = true;
        _current = fault;
        _sticky = fault;
        State = BulkInState.Faulted;
        Log(ControlEvent.GaveUp);
    }

    /// <summary>Gone, behind all data; a fault that nobody saw with nothing behind it becomes that.</summary>
    private void EndStream()
    {
        ReferenceFault end = _current is { WasThrown: false } && _detached is [.., { Fault: { } last }] && last == _current ? last : Place(BulkInError.DeviceGone);
        end.Error = BulkInError.DeviceGone;
        end.Transfers = _transfers;
        end.Bytes = _bytes;
        end.Recovers = false;
        end.IsPublished = true;
        _current = end;
        _sticky = end;
        _isPostingOpen = false;
        State = BulkInState.Gone;
        Log(ControlEvent.Faulted);
    }

    private void Quiesce(BulkInState state)
    {
        // At rest nothing is latched, so nothing that is collected here is a failure.
        _ = Collect();
        _sticky = null;
        State = state;
    }

    /// <summary>Between a report and what follows it the reader goes as far as it gets.</summary>
    private void Log(ControlEvent what)
    {
        ServePending();
        _events.Add((what, _pending is null));
    }

    /// <summary>A transfer with data, or a fault at its place.</summary>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Item(ReferenceTransfer? Data, ReferenceFault? Fault);
}
