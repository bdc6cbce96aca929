using System.Diagnostics;
using BulkIn.Backends;

namespace BulkIn.Testing;

// The host controller: the list of posted transfers, and what ends them. Members whose comment says so are called under _sync.
public sealed partial class SimulatedEndpoint
{
    private enum Fate
    {
        Reported = 0,
        Held,
        Lost,
    }

    // Under _sync.
    private void Post(SimulatedTransfer transfer, TransferBuffer buffer)
    {
        transfer.Buffer = buffer;
        transfer.Filled = 0;
        transfer.Submission = _submissions++;
        transfer.Phase = TransferPhase.Posted;
        if (buffer is SimulatedBuffer own)
        {
            own.Owner = transfer;
        }

        if (Options.ChecksBuffers)
        {
            transfer.Bytes.Fill(SimulatedBuffer.Posted);
        }

        transfer.Older = _newest;
        transfer.Newer = null;
        if (_newest is null)
        {
            _oldest = transfer;
        }
        else
        {
            _newest.Newer = transfer;
        }

        _newest = transfer;
        _posted++;
        _postedMaximum = Math.Max(_postedMaximum, _posted);
        if (_posted == 1 && _wasPosted)
        {
            _starvationTime += Since(_starvedSince);
        }

        _wasPosted = true;
        Record(SimulatedEventKind.Submitted, transfer, buffer.Length);
        Settle();
    }

    // Under _sync. Lets failures and data reach the posted transfers, oldest first, until nothing moves.
    private void Settle()
    {
        while (_oldest is { } transfer)
        {
            if (_failures.TryDequeue(out Failure? failure) || (failure = _storm) is not null)
            {
                Write(transfer, failure.Data);
                Retire(transfer, failure.Status, nativeStatus: failure.NativeStatus, reportedLength: failure.ReportedLength);
            }
            else if (_isHalted)
            {
                Retire(transfer, TransferStatus.Stall);
            }
            else if (_condition == Condition.Unplugged)
            {
                // A submit accepted in the moments after an unplug.
                Retire(transfer, TransferStatus.Error);
            }
            else if (_isInstant)
            {
                Write(transfer, _instantPattern.Span);
                transfer.Filled = Math.Min(_instantLength, transfer.Buffer!.Length);
                Retire(transfer, TransferStatus.Completed);
            }
            else if (_fifo.IsEmpty)
            {
                return;
            }
            else
            {
                (int moved, bool endsShort) = _fifo.Fill(transfer.Bytes[transfer.Filled..]);
                transfer.Filled += moved;
                if (endsShort || transfer.Filled == transfer.Buffer!.Length)
                {
                    Retire(transfer, TransferStatus.Completed);
                }
            }
        }
    }

    // Under _sync.
    private static void Write(SimulatedTransfer transfer, ReadOnlySpan<byte> data)
    {
        Span<byte> room = transfer.Bytes[transfer.Filled..];
        ReadOnlySpan<byte> fitting = data[..Math.Min(data.Length, room.Length)];
        fitting.CopyTo(room);
        transfer.Filled += fitting.Length;
    }

    // Under _sync. The bytes that posted transfers take at once, and the FIFO's free ones, must hold the message.
    private bool HasRoomFor(int length)
    {
        if (Options.FifoCapacity is not { } capacity)
        {
            return true;
        }

        long room = capacity - _fifo.Count;
        if (_fifo.IsEmpty && !_isHalted && _storm is null && _failures.Count == 0)
        {
            for (SimulatedTransfer? transfer = _oldest; transfer is not null && room < length; transfer = transfer.Newer)
            {
                room += transfer.Buffer!.Length - transfer.Filled;
            }
        }

        return length <= room;
    }

    // Under _sync.
    private void RetireAll(TransferStatus status, bool newestFirst)
    {
        while ((newestFirst ? _newest : _oldest) is { } transfer)
        {
            Retire(transfer, status);
        }
    }

    // Under _sync. The transfer leaves the bus: its result is fixed.
    private void Retire(SimulatedTransfer transfer, TransferStatus status, Fate fate = Fate.Reported, int? nativeStatus = null, int? reportedLength = null)
    {
        Debug.Assert(transfer.Phase == TransferPhase.Posted, "only a posted transfer is on the bus");
        if (transfer.Older is { } older)
        {
            older.Newer = transfer.Newer;
        }
        else
        {
            _oldest = transfer.Newer;
        }

        if (transfer.Newer is { } newer)
        {
            newer.Older = transfer.Older;
        }
        else
        {
            _newest = transfer.Older;
        }

        transfer.Older = null;
        transfer.Newer = null;
        transfer.Phase = TransferPhase.Retired;
        _posted--;
        _postedMinimum = Math.Min(_postedMinimum, _posted);
        if (_posted == 0)
        {
            _starvations++;
            _starvedSince = Options.TimeProvider.GetTimestamp();
        }

        Record(SimulatedEventKind.Retired, transfer, transfer.Filled, status);
        Ended ended = new(transfer, status, reportedLength ?? transfer.Filled, nativeStatus ?? (int)status);
        if (fate == Fate.Lost)
        {
            _lost.Add(ended);
        }
        else if (fate == Fate.Held || _isHolding)
        {
            _held.Add(ended);
        }
        else
        {
            _ready.Enqueue(ended);
        }
    }

    // Under _sync.
    private BackendResult CancelPosted(SimulatedTransfer transfer, SimulatedCancel script)
    {
        if (_condition == Condition.HandleClosed)
        {
            return SimulatedResults.Of(BackendStatus.HandleClosed);
        }

        if (transfer.Phase != TransferPhase.Posted)
        {
            // Idle, or ended already with its completion still on the way.
            return SimulatedResults.Of(BackendStatus.NotFound);
        }

        Write(transfer, script.Data.Span);
        if (script.Outcome == CancelOutcome.CompletedFirst)
        {
            Retire(transfer, TransferStatus.Completed);
            return script.Answer ?? SimulatedResults.Of(BackendStatus.NotFound);
        }

        Fate fate = script.Outcome switch
        {
            CancelOutcome.Late => Fate.Held,
            CancelOutcome.Lost => Fate.Lost,
            _ => Fate.Reported,
        };
        if (Options.Capabilities.HasFlag(BulkInCapabilities.CancelAbortsEndpoint))
        {
            while (_oldest is { } aborted)
            {
                Retire(aborted, TransferStatus.Cancelled, fate);
            }
        }
        else
        {
            Retire(transfer, TransferStatus.Cancelled, fate);
        }

        return script.Answer ?? default;
    }

    // Under _sync.
    private int CountInFlight()
    {
        int count = 0;
        foreach (SimulatedTransfer transfer in _transfers)
        {
            count += transfer.IsInFlight ? 1 : 0;
        }

        return count;
    }

    private TimeSpan Since(long timestamp) => Options.TimeProvider.GetElapsedTime(timestamp);

    // Under _sync.
    private void Record(
        SimulatedEventKind kind,
        SimulatedTransfer? transfer = null,
        int length = 0,
        TransferStatus? status = null,
        BackendStatus? result = null,
        DevicePresence? presence = null)
    {
        if (Log.Capacity > 0)
        {
            Log.Add(new SimulatedEvent
            {
                Kind = kind,
                Time = Since(_created),
                Slot = transfer?.Slot ?? -1,
                Submission = transfer?.Submission ?? -1,
                Length = length,
                Status = status,
                Result = result,
                Presence = presence,
                Posted = _posted,
            });
        }

        if (_changed is { } changed)
        {
            _changed = null;
            changed.TrySetResult();
        }
    }

    /// <summary>How scripted transfers fail.</summary>
    private sealed record Failure(TransferStatus Status, int NativeStatus, byte[] Data, int? ReportedLength);
}
