using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using BulkIn.Backends;

namespace BulkIn.Testing;

// The host controller's side and the calls of the queue. Members whose comment says so are called under _sync.
public sealed partial class SimulatedEndpoint
{
    private enum Fate
    {
        Reported = 0,
        Held,
        Lost,
    }

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
                answer = _condition switch
                {
                    Condition.HandleClosed => SimulatedResults.Of(BackendStatus.HandleClosed),
                    Condition.Attached => script.Answer ?? default,
                    _ => _clearHaltAnswer,
                };
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

    private static SimulatedCancel PlainCancel { get; } = new();

    // Under _sync.
    private void CheckSubmit(SimulatedTransfer transfer, TransferBuffer buffer)
    {
        ArgumentNullException.ThrowIfNull(buffer);
        if (transfer.Phase == TransferPhase.Disposed)
        {
            throw Accuse($"Submit of {Describe(transfer)}, which was disposed of.");
        }

        AccuseIfDisposed("Submit");
        if (transfer.IsInFlight)
        {
            throw Accuse($"Submit of {Describe(transfer)} while it is still posted.");
        }

        if (transfer.IsCancelRunning)
        {
            throw Accuse($"Submit of {Describe(transfer)} while its cancel runs: the cancel would hit the new submission.");
        }

        if (_isClearingHalt)
        {
            throw Accuse($"Submit of {Describe(transfer)} while ClearHaltAsync runs.");
        }

        if (buffer is SimulatedBuffer own)
        {
            if (own.IsFreed)
            {
                throw Accuse($"Submit of {Describe(transfer)} with buffer {own.Number}, which was freed.");
            }

            if (own.Owner is { } owner)
            {
                throw Accuse($"Submit of {Describe(transfer)} with buffer {own.Number}, which {Describe(owner)} is posted with.");
            }
        }
        else if (Options.ChecksBuffers && _transfers.Find(t => t.IsInFlight && Overlaps(t.Buffer!, buffer)) is { } other)
        {
            throw Accuse($"Submit of {Describe(transfer)} with memory that {Describe(other)} is posted with.");
        }

        if (buffer.Length <= 0 || buffer.Length % Options.MaxPacketSize != 0)
        {
            throw Accuse($"Submit of {Describe(transfer)} with {buffer.Length} bytes, not a positive multiple of the max packet size {Options.MaxPacketSize}.");
        }
    }

    private static bool Overlaps(TransferBuffer one, TransferBuffer other) =>
        ReferenceEquals(one, other) || (one.Address < other.Address + other.Length && other.Address < one.Address + one.Length);

    // Under _sync.
    private BackendResult NaturalSubmitAnswer()
    {
        switch (_condition)
        {
            case Condition.Attached:
                return default;
            case Condition.HandleClosed:
                return SimulatedResults.Of(BackendStatus.HandleClosed);
            case Condition.Unplugged when _graceSubmits > 0:
                _graceSubmits--;
                return default;
            default:
                return _submitAnswer;
        }
    }

    // Under _sync.
    private DevicePresence NaturalPresence() => _condition switch
    {
        Condition.Unplugged => _graceSubmits-- > 0 ? DevicePresence.Unknown : DevicePresence.Gone,
        Condition.HandleClosed => DevicePresence.Unknown,
        _ => DevicePresence.Present,
    };

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
    private void ReleaseHeld()
    {
        foreach (Ended ended in _held)
        {
            _ready.Enqueue(ended);
        }

        _held.Clear();
    }

    // Under _sync.
    private void ReleaseHeld(int[] order)
    {
        if (Array.Exists(order, i => i < 0 || i >= _held.Count) || order.Distinct().Count() != order.Length)
        {
            throw new ArgumentException($"{_held.Count} completions are held: the order must name each of 0 to {_held.Count - 1} at most once.", nameof(order));
        }

        foreach (int index in order)
        {
            _ready.Enqueue(_held[index]);
        }

        foreach (int index in order.OrderDescending())
        {
            _held.RemoveAt(index);
        }
    }

    private void Report()
    {
        if (_eventThread is null)
        {
            ReportOnThisThread();
        }
        else
        {
            _eventThread.Wake();
        }
    }

    // Reports what is ready, in order, one thread at a time: who finds another thread reporting leaves its completions to that one.
    private void ReportOnThisThread()
    {
        bool isMine = false;
        try
        {
            while (true)
            {
                Ended ended;
                Action<SimulatedCompletion>? completing = Hooks.Completing;
                lock (_sync)
                {
                    if (_isReporting && !isMine)
                    {
                        return;
                    }

                    if (!_ready.TryDequeue(out ended))
                    {
                        _isReporting = false;
                        isMine = false;
                        return;
                    }

                    _isReporting = true;
                    isMine = true;
                    if (completing is null)
                    {
                        HandBack(ended);
                    }
                }

                SimulatedCompletion seen = new(ended.Transfer.Slot, ended.Submission, ended.Status, ended.Length);
                if (completing is not null)
                {
                    completing(seen);
                    lock (_sync)
                    {
                        HandBack(ended);
                    }
                }

                ended.Transfer.Completion.Complete(ended.Status, ended.Length, ended.NativeStatus);
                Hooks.Completed?.Invoke(seen);
            }
        }
        finally
        {
            // Only after an exception from a hook or a completion: the next caller goes on with what is left.
            if (isMine)
            {
                lock (_sync)
                {
                    _isReporting = false;
                }
            }
        }
    }

    // Under _sync. The buffer is the queue's again from here on.
    private void HandBack(in Ended ended)
    {
        SimulatedTransfer transfer = ended.Transfer;
        SimulatedBuffer? own = transfer.Buffer as SimulatedBuffer;
        if (Options.ChecksBuffers)
        {
            int written = transfer.Bytes[transfer.Filled..].IndexOfAnyExcept(SimulatedBuffer.Posted);
            if (written >= 0)
            {
                string which = own is null ? "the buffer" : string.Create(CultureInfo.InvariantCulture, $"buffer {own.Number}");
                _ = Accuse($"Write to byte {transfer.Filled + written} of {which} while {Describe(transfer)} was posted with it.");
            }

            if (own is not null && !own.GuardsHold)
            {
                _ = Accuse($"Write outside of buffer {own.Number}, posted with {Describe(transfer)}.");
            }
        }

        if (own is not null)
        {
            own.Owner = null;
        }

        transfer.Buffer = null;
        transfer.Phase = TransferPhase.Idle;
        _completions++;
        Record(SimulatedEventKind.Completed, transfer, ended.Length, ended.Status);
    }

    // Under _sync.
    private void AccuseIfGuardsBroken(SimulatedBuffer buffer)
    {
        if (!buffer.GuardsHold)
        {
            throw Accuse($"Write outside of buffer {buffer.Number}.");
        }
    }

    // Under _sync.
    private void CheckFreedBuffers()
    {
        if (!Options.ChecksBuffers)
        {
            return;
        }

        foreach (SimulatedBuffer buffer in _buffers)
        {
            if (buffer.IsFreed && !buffer.StayedFreed)
            {
                _ = Accuse($"Write to buffer {buffer.Number} after it was freed.");
                buffer.MarkFreed(poison: true);
            }
        }
    }

    // Under _sync.
    private void AccuseIfDisposed(string call)
    {
        if (_isBackendDisposed)
        {
            throw Accuse($"{call} after the backend was disposed of.");
        }
    }

    // Under _sync. Keeps the accusation, so that a catch in the code under test cannot hide it; the caller throws it.
    private SimulationMisuseException Accuse(string what)
    {
        Record(SimulatedEventKind.Misuse);
        string when = Since(_created).TotalMilliseconds.ToString("0.000", CultureInfo.InvariantCulture);
        SimulationMisuseException accusation = new($"{what} At +{when} ms on thread \"{Thread.CurrentThread.Name ?? Environment.CurrentManagedThreadId.ToString(CultureInfo.InvariantCulture)}\". Last events:\n{Log.Describe(TailLength)}");
        _misuses.Add(accusation);
        return accusation;
    }

    // Under _sync.
    private static string Describe(SimulatedTransfer transfer) => transfer.Submission < 0
        ? string.Create(CultureInfo.InvariantCulture, $"the transfer of slot {transfer.Slot} (never submitted)")
        : string.Create(CultureInfo.InvariantCulture, $"the transfer of slot {transfer.Slot} (submission {transfer.Submission})");

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

    private T Read<T>(SimulatedTransfer transfer, Func<SimulatedTransfer, T> read)
    {
        lock (_sync)
        {
            return read(transfer);
        }
    }

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

    /// <summary>A transfer that left the bus, until its completion is reported. The submission is kept because the transfer may be posted again meanwhile.</summary>
    [StructLayout(LayoutKind.Auto)]
    private readonly struct Ended(SimulatedTransfer transfer, TransferStatus status, int length, int nativeStatus)
    {
        internal readonly SimulatedTransfer Transfer = transfer;
        internal readonly long Submission = transfer.Submission;
        internal readonly TransferStatus Status = status;
        internal readonly int Length = length;
        internal readonly int NativeStatus = nativeStatus;
    }

    /// <summary>The simulated event thread: reports completions until stopped.</summary>
    private sealed class EventThread
    {
        private readonly SimulatedEndpoint _endpoint;
        private readonly Thread _thread;

        // A monitor, because it needs no disposal: a late call of the queue may still wake a thread that ended.
        private readonly object _door = new();
        private bool _hasWork;
        private bool _isStopping;

        internal EventThread(SimulatedEndpoint endpoint)
        {
            _endpoint = endpoint;
            _thread = new Thread(Run) { IsBackground = true, Name = "simulated event thread" };
            _thread.Start();
        }

        internal void Wake()
        {
            lock (_door)
            {
                _hasWork = true;
                Monitor.Pulse(_door);
            }
        }

        internal void Stop()
        {
            lock (_door)
            {
                _isStopping = true;
                Monitor.Pulse(_door);
            }

            if (Environment.CurrentManagedThreadId != _thread.ManagedThreadId && !_thread.Join(TimeSpan.FromSeconds(30)))
            {
                throw new TimeoutException("The simulated event thread did not end within 30 s: a hook or a completion blocks it.");
            }
        }

        private bool WaitForWork()
        {
            lock (_door)
            {
                while (!_hasWork && !_isStopping)
                {
                    Monitor.Wait(_door);
                }

                bool hadWork = _hasWork;
                _hasWork = false;
                return hadWork;
            }
        }

        private void Run()
        {
            while (WaitForWork())
            {
                try
                {
                    _endpoint.ReportOnThisThread();
                }
#pragma warning disable CA1031 // Whatever a hook or a completion throws here must fail the test, not end the process.
                catch (Exception failure)
#pragma warning restore CA1031
                {
                    lock (_endpoint._sync)
                    {
                        _endpoint._hookFailures.Add(failure);
                    }

                    Wake();
                }
            }
        }
    }
}
