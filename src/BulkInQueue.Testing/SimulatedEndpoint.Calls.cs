using BulkIn.Backends;

namespace BulkIn.Testing;

// The calls of the queue. Members whose comment says so are called under _sync.
public sealed partial class SimulatedEndpoint
{
    private static SimulatedCancel PlainCancel { get; } = new();

    internal TransferBuffer? AllocateBuffer(int length)
    {
        lock (_sync)
        {
            AccuseIfDisposed("AllocateBuffer");
            if (length <= 0 || length % Options.MaxPacketSize != 0)
            {
                throw Accuse($"AllocateBuffer({length}): not a positive multiple of the max packet size {Options.MaxPacketSize}.");
            }

            if (!Options.OffersBuffers)
            {
                return null;
            }

            SimulatedBuffer buffer = new(this, _buffers.Count, length);
            _buffers.Add(buffer);
            Record(SimulatedEventKind.BufferAllocated, length: length);
            return buffer;
        }
    }

    internal IBulkInTransfer CreateTransfer(ITransferCompletion completion)
    {
        ArgumentNullException.ThrowIfNull(completion);
        lock (_sync)
        {
            AccuseIfDisposed("CreateTransfer");
            if (_transfers.Count == Options.FailsCreateAtSlot)
            {
#pragma warning disable CA2201, MA0012 // The seam names this exception: it stands for the native allocation that failed.
                throw new OutOfMemoryException($"Simulated: no memory for the transfer of slot {_transfers.Count}.");
#pragma warning restore CA2201, MA0012
            }

            SimulatedTransfer transfer = new(this, completion, _transfers.Count);
            _transfers.Add(transfer);
            Record(SimulatedEventKind.TransferCreated, transfer);
            return transfer;
        }
    }

    internal BackendResult Submit(SimulatedTransfer transfer, TransferBuffer buffer)
    {
        Hooks.Submitting?.Invoke(new SimulatedCall(transfer.Slot, transfer.Submission, default));
        bool isScripted = Submits.TryTake(out BackendResult scripted);
        BackendResult answer;
        bool drained = false;
        lock (_sync)
        {
            CheckSubmit(transfer, buffer);
            answer = isScripted && !scripted.IsSuccess ? scripted : NaturalSubmitAnswer();
            if (answer.IsSuccess)
            {
                int waited = _fifo.Messages;
                Post(transfer, buffer);
                drained = _fifo.Messages != waited;
            }
            else
            {
                Record(SimulatedEventKind.SubmitRefused, transfer, result: answer.Status);
            }
        }

        if (answer.IsSuccess)
        {
            if (Options.CompletesInsideSubmit)
            {
                ReportOnThisThread();
            }
            else
            {
                Report();
            }

            if (drained)
            {
                Drained?.Invoke();
            }
        }

        Hooks.Submitted?.Invoke(new SimulatedCall(transfer.Slot, transfer.Submission, answer));
        return answer;
    }

    internal BackendResult Cancel(SimulatedTransfer transfer)
    {
        lock (_sync)
        {
            if (transfer.Phase == TransferPhase.Disposed)
            {
                throw Accuse($"Cancel of {Describe(transfer)}, which was disposed of.");
            }

            AccuseIfDisposed("Cancel");
            if (transfer.IsCancelRunning)
            {
                throw Accuse($"Cancel of {Describe(transfer)} while another cancel of it runs.");
            }

            transfer.IsCancelRunning = true;
            Record(SimulatedEventKind.CancelRequested, transfer);
        }

        BackendResult answer = default;
        try
        {
            Hooks.Cancelling?.Invoke(new SimulatedCall(transfer.Slot, transfer.Submission, default));
            if (Read(transfer, static t => t.Phase) != TransferPhase.Posted || !Cancels.TryTake(out SimulatedCancel? script))
            {
                script = PlainCancel;
            }

            script.Gate?.Pass();
            lock (_sync)
            {
                answer = CancelPosted(transfer, script);
                Record(SimulatedEventKind.CancelAnswered, transfer, result: answer.Status);
            }

            Report();
            Hooks.Cancelled?.Invoke(new SimulatedCall(transfer.Slot, transfer.Submission, answer));
            return answer;
        }
        finally
        {
            lock (_sync)
            {
                transfer.IsCancelRunning = false;
            }
        }
    }

    internal void DisposeTransfer(SimulatedTransfer transfer)
    {
        lock (_sync)
        {
            if (transfer.Phase == TransferPhase.Disposed)
            {
                return;
            }

            if (transfer.IsInFlight)
            {
                throw Accuse($"Dispose of {Describe(transfer)} while it is posted: libusb would free memory that the host controller still writes.");
            }

            if (transfer.IsCancelRunning)
            {
                throw Accuse($"Dispose of {Describe(transfer)} while its cancel runs.");
            }

            if (_isBackendDisposed)
            {
                throw Accuse($"Dispose of {Describe(transfer)} after the backend's.");
            }

            transfer.Phase = TransferPhase.Disposed;
            Record(SimulatedEventKind.TransferDisposed, transfer);
        }
    }

    internal void DisposeBuffer(SimulatedBuffer buffer)
    {
        lock (_sync)
        {
            if (buffer.IsFreed)
            {
                return;
            }

            if (buffer.Owner is { } owner)
            {
                throw Accuse($"Free of buffer {buffer.Number} while {Describe(owner)} is posted with it.");
            }

            if (_isBackendDisposed)
            {
                throw Accuse($"Free of buffer {buffer.Number} after the backend was disposed of.");
            }

            AccuseIfGuardsBroken(buffer);
            buffer.MarkFreed(Options.ChecksBuffers);
            Record(SimulatedEventKind.BufferDisposed, length: buffer.Bytes.Length);
        }
    }

    internal SimulationMisuseException AccuseFreedBuffer(SimulatedBuffer buffer)
    {
        lock (_sync)
        {
            return Accuse($"Use of buffer {buffer.Number} after it was freed.");
        }
    }

    internal async ValueTask<BackendResult> ClearHaltAsync()
    {
        lock (_sync)
        {
            AccuseIfDisposed("ClearHaltAsync");
            Record(SimulatedEventKind.ClearHaltRequested);
            if (_transfers.Find(t => t.IsInFlight) is { } inFlight)
            {
                throw Accuse($"ClearHaltAsync while {Describe(inFlight)} is posted ({CountInFlight()} are): toggles of host and device would disagree, and a packet be lost.");
            }

            if (_isClearingHalt)
            {
                throw Accuse("ClearHaltAsync while another one runs.");
            }

            if (Options.Capabilities.HasFlag(BulkInCapabilities.ClearsHaltItself))
            {
                throw Accuse("ClearHaltAsync on a platform that clears the halt itself: the second clear costs a packet.");
            }

            _isClearingHalt = true;
        }

        BackendResult answer = default;
        try
        {
            Hooks.ClearingHalt?.Invoke();
            SimulatedClearHalt script = ClearHalts.TryTake(out SimulatedClearHalt? step) ? step : new SimulatedClearHalt();
            if (script.Gate is { } gate)
            {
                await gate.PassAsync().ConfigureAwait(false);
            }

            if (script.Duration > TimeSpan.Zero)
            {
                // The simulated control transfer's own duration, on the simulation's clock.
                await Task.Delay(script.Duration, Options.TimeProvider).ConfigureAwait(false);
            }

            lock (_sync)
            {
                answer = script.Answer ?? NaturalClearHaltAnswer();
                if (answer.IsSuccess)
                {
                    _isHalted = script.HaltsAgain;
                }
            }

            return answer;
        }
        finally
        {
            lock (_sync)
            {
                _isClearingHalt = false;
                Record(SimulatedEventKind.ClearHaltAnswered, result: answer.Status);
            }
        }
    }

    internal async ValueTask<DevicePresence> ProbeAsync(TimeSpan bound)
    {
        lock (_sync)
        {
            AccuseIfDisposed("ProbeAsync");
            if (bound < TimeSpan.Zero)
            {
                throw Accuse($"ProbeAsync({bound}): the bound is negative.");
            }

            _probesRunning++;
            Record(SimulatedEventKind.ProbeRequested);
        }

        DevicePresence presence = DevicePresence.Unknown;
        try
        {
            Hooks.Probing?.Invoke();
            SimulatedProbe script = Probes.TryTake(out SimulatedProbe? step) ? step : new SimulatedProbe();
            if (script.Gate is { } gate)
            {
                await gate.PassAsync().ConfigureAwait(false);
            }

            if (script.NeverAnswers)
            {
                // The simulated device's silence, on the simulation's clock.
                await Task.Delay(bound, Options.TimeProvider).ConfigureAwait(false);
            }

            lock (_sync)
            {
                presence = script.Answer ?? NaturalPresence();
            }

            return presence;
        }
        finally
        {
            lock (_sync)
            {
                _probesRunning--;
                Record(SimulatedEventKind.ProbeAnswered, presence: presence);
            }
        }
    }

    internal void DisposeBackend()
    {
        lock (_sync)
        {
            if (_isBackendDisposed)
            {
                return;
            }

            if (_transfers.Find(t => t.Phase != TransferPhase.Disposed) is { } alive)
            {
                throw Accuse($"Dispose of the backend while {Describe(alive)} {(alive.IsInFlight ? "is posted" : "is not disposed of")}.");
            }

            if (_buffers.Find(b => !b.IsFreed) is { } buffer)
            {
                throw Accuse($"Dispose of the backend before buffer {buffer.Number}.");
            }

            if (_isClearingHalt || _probesRunning > 0)
            {
                throw Accuse($"Dispose of the backend while {(_isClearingHalt ? "ClearHaltAsync" : "ProbeAsync")} runs.");
            }

            _isBackendDisposed = true;
            Record(SimulatedEventKind.BackendDisposed);
        }
    }

    private T Read<T>(SimulatedTransfer transfer, Func<SimulatedTransfer, T> read)
    {
        lock (_sync)
        {
            return read(transfer);
        }
    }

    // Under _sync.
    private BackendResult NaturalSubmitAnswer()
    {
        switch (_condition)
        {
            case Condition.Attached:
                return default;
            case Condition.HandleClosed:
                return SimulatedResults.Of(BackendStatus.HandleClosed);
            case Condition.Unplugged when _graceCalls > 0:
                _graceCalls--;
                return default;
            default:
                return _submitAnswer;
        }
    }

    // Under _sync.
    private BackendResult NaturalClearHaltAnswer()
    {
        switch (_condition)
        {
            case Condition.Attached:
                return default;
            case Condition.HandleClosed:
                return SimulatedResults.Of(BackendStatus.HandleClosed);
            case Condition.Unplugged when _graceCalls > 0:
                _graceCalls--;
                return SimulatedResults.Of(BackendStatus.Io);
            default:
                return _clearHaltAnswer;
        }
    }

    // Under _sync.
    private DevicePresence NaturalPresence()
    {
        switch (_condition)
        {
            case Condition.HandleClosed:
                return DevicePresence.Unknown;
            case Condition.Unplugged when _graceCalls > 0:
                _graceCalls--;
                return DevicePresence.Unknown;
            case Condition.Unplugged:
                return DevicePresence.Gone;
            default:
                return DevicePresence.Present;
        }
    }
}
