using BulkIn.Backends;

namespace BulkIn;

// What becomes of a failure: one fault of each generation, recovery, the end of the stream.
internal sealed partial class ReferenceQueue
{
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
        ReferenceFault last = new() { Error = fault.Error, Transfers = fault.Transfers, Bytes = fault.Bytes, IntactFrom = fault.IntactFrom, WasThrown = fault.WasThrown };
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
                fault.IntactFrom = _transfers;
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
        ReferenceFault fault = new() { Error = error, Transfers = _transfers, Bytes = _bytes, IntactFrom = _transfers };
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
        end.IntactFrom = _transfers;
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
}
