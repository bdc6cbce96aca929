using BulkIn.Backends;
using BulkIn.Testing;
using Xunit;

namespace BulkIn;

/// <summary>
/// Plays one sequence on a real queue over a simulated endpoint and holds what the reader gets against the expected stream. Between two steps the control rests
/// (a verb that does nothing is served after every fault), so a sequence means the same each time.
/// </summary>
internal sealed class SequenceRun : IAsyncDisposable
{
    private const int Packet = 8;
    private const int BufferLength = 16;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private readonly ExpectedStream _expected = new();
    private readonly VirtualClock _clock = new();
    private readonly SimulatedEndpoint _device;
    private readonly BulkInQueue _queue;
    private readonly Sequence _sequence;
    private readonly byte[] _destination = new byte[64];
    private readonly Queue<byte[]> _armed = new();
    private readonly List<(BulkInLease Lease, byte[] Bytes)> _leases = [];

    private Task<BulkInResult>? _pending;
    private CancellationTokenSource? _cancel;
    private byte _next;
    private long _lastSequence = -1;
    private bool _lastWasPiece;
    private bool _discarded;
    private bool _isTimed;
    private long _transfersAtBegin;
    private bool _isUnplugged;
    private bool _isSuspended;
    private bool _mayFault;
    private bool _cancelsUnasked;
    private bool _wasInGeneration;
    private int _heldFailures;
    private bool _deferred;
    private BulkInError? _sticky;

    private SequenceRun(Sequence sequence)
    {
        _sequence = sequence;
        _device = new SimulatedEndpoint(new SimulatedEndpointOptions { MaxPacketSize = Packet, LogCapacity = 48, TimeProvider = _clock });
        _queue = _device.OpenQueue(new BulkInQueueOptions
        {
            Depth = sequence.Depth,
            SpareBuffers = sequence.Spares,
            BufferLength = BufferLength,
            Recovery = sequence.Recovery,
            RecoveryAttempts = 100,
            RecoveryBackoff = TimeSpan.Zero,
            TimeProvider = _clock,
        });
        _device.Hooks.Completing = OnCompleting;
        _device.Hooks.Submitting = OnSubmitting;
        _device.Hooks.Submitted = OnSubmitted;
    }

    private int Buffers => _sequence.Depth + _sequence.Spares;

    public static async Task PlayAsync(Sequence sequence)
    {
        SequenceRun run = new(sequence);
        try
        {
            bool disposed = false;
            foreach (Step step in sequence.Steps)
            {
                await run.DoAsync(step);
                await run.CheckAsync();
                disposed = step.Kind == StepKind.Dispose;
                if (disposed)
                {
                    break;
                }
            }

            if (!disposed)
            {
                await run.FlushAsync();
            }
        }
        catch (Exception failure)
        {
            throw new InvalidDataException($"{failure.Message}\nState {run._queue.State}, {run._queue.Statistics}\nExpected: {run._expected}\n{run._device.Log}", failure);
        }

        await run.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        Task disposed = _queue.DisposeAsync().AsTask();
        if (_pending is { } pending)
        {
            await Assert.ThrowsAsync<ObjectDisposedException>(() => pending.InTime("the receive pending at the dispose"));
        }

        await disposed.InTime("the dispose");
        Assert.Equal(BulkInState.Disposed, _queue.State);
        foreach ((BulkInLease lease, byte[] bytes) in _leases)
        {
            Assert.Equal(bytes, lease.Memory.ToArray());
            lease.Dispose();
        }

        Assert.Equal(0, _queue.Statistics.Leaked);
        _cancel?.Dispose();
        _device.Dispose();
    }

    private async Task DoAsync(Step step)
    {
        switch (step.Kind)
        {
            case StepKind.Deliver:
                Deliver(1 + (step.A % 20), marked: false);
                break;
            case StepKind.DeliverMarked:
                Deliver(Packet * (1 + (step.A % 5)), marked: true);
                break;
            case StepKind.ZeroLengthPacket:
                Deliver(0, marked: true);
                break;
            case StepKind.OutOfOrder:
                OutOfOrder(step);
                break;
            case StepKind.StallOnce:
                Fail(TransferStatus.Stall, 0);
                break;
            case StepKind.Error:
                Fail(TransferStatus.Error, step.A % 3);
                break;
            case StepKind.Overflow:
                Fail(TransferStatus.Overflow, step.A % 3);
                break;
            case StepKind.Strange:
                Fail((TransferStatus)(7 + (step.A % 3)), 0);
                break;
            case StepKind.Halt:
                _mayFault = true;
                _device.Stall();
                break;
            case StepKind.CancelUnasked:
                _mayFault = true;
                _cancelsUnasked = true;
                _device.CancelUnasked(1 + (step.A % 4));
                _cancelsUnasked = false;
                break;
            case StepKind.Reset:
                _mayFault = true;
                _isSuspended &= _isUnplugged;
                _device.Interrupt(step.A % 2 == 0 ? Interruption.Reset : Interruption.Release);
                break;
            case StepKind.Sleep:
                _mayFault = true;
                _isSuspended = true;
                _device.Interrupt(step.A % 2 == 0 ? Interruption.Sleep : Interruption.Deauthorize);
                break;
            case StepKind.Restore:
                _isSuspended = false;
                _device.Restore();
                break;
            case StepKind.Unplug when !_isUnplugged:
                Unplug(step.A % 2 == 0 ? UnplugFlavor.Linux : UnplugFlavor.MacOSUsb3);
                break;
            case StepKind.RefuseSubmit:
                _mayFault = true;
                _device.Submits.Skip(step.A % 3).Next(SimulatedResults.Of(BackendStatus.Io));
                break;
            case StepKind.NoMemory:
                _mayFault = true;
                _device.Submits.Skip(step.A % 3).Next(SimulatedResults.Of(BackendStatus.NoMemory), times: 1 + (step.B % 3));
                break;
            case StepKind.ClearHaltFails:
                _device.ClearHalts.Next(new SimulatedClearHalt { Answer = SimulatedResults.Of(BackendStatus.Pipe) }, times: 1 + (step.A % 2));
                break;
            case StepKind.HaltsAgain:
                _device.ClearHalts.Next(new SimulatedClearHalt { HaltsAgain = true });
                break;
            case StepKind.Poll:
                Poll(step);
                break;
            case StepKind.Begin when _pending is null:
                Begin(step);
                break;
            case StepKind.Cancel when _pending is not null:
                await _cancel!.CancelAsync();
                await EndPendingAsync();
                break;
            case StepKind.Elapse:
                _clock.Advance(Timeout);
                if (_isTimed && _pending is not null)
                {
                    await EndPendingAsync();
                }

                break;
            case StepKind.Lease when _pending is null:
                await LeaseAsync();
                break;
            case StepKind.Return when _leases.Count > 0:
                Return(step.A % _leases.Count);
                break;
            case StepKind.Discard when _pending is null:
                _expected.ReadDiscarded(_queue.Discard());
                _discarded = true;
                _lastWasPiece = false;
                break;
            case StepKind.Recover:
                await VerbAsync(_queue.RecoverAsync);
                break;
            case StepKind.Pause:
                await VerbAsync(_queue.PauseAsync);
                break;
            case StepKind.Resume:
                await VerbAsync(_queue.ResumeAsync);
                break;
            case StepKind.Stop when step.A % 4 == 0:
                await VerbAsync(_queue.StopAsync);
                break;
            default:
                break;
        }
    }

    private void Deliver(int length, bool marked)
    {
        if (_isUnplugged)
        {
            return;
        }

        Span<byte> message = stackalloc byte[length];
        for (int i = 0; i < length; i++)
        {
            message[i] = _next++;
        }

        _expected.Message(message, marked || length % Packet != 0);
        _device.Deliver(message, zeroLengthPacket: marked);
    }

    /// <summary>Several transfers end, some of them badly, and their completions are reported in another order.</summary>
    private void OutOfOrder(Step step)
    {
        if (_isUnplugged || _armed.Count > 0)
        {
            return;
        }

        Random random = new(step.B);
        _device.Hold();
        for (int i = 0; i <= step.A % 6; i++)
        {
            if (random.Next(4) == 0 && _device.Posted > 0)
            {
                byte[] bytes = random.Next(2) == 0 ? [] : [_next++];
                _mayFault = true;
                _ = Interlocked.Increment(ref _heldFailures);
                _expected.Fault(BulkInError.TransferError, bytes, 0, 0);
                _device.Fail(TransferStatus.Error, bytes);
            }
            else
            {
                Deliver(1 + random.Next(20), marked: false);
            }
        }

        while (_device.HeldCompletions is > 0 and int held)
        {
            _device.Release(random.Next(held));
        }

        _device.StopHolding();
    }

    private void Fail(TransferStatus status, int count)
    {
        if (_isUnplugged)
        {
            return;
        }

        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++)
        {
            bytes[i] = _next++;
        }

        _mayFault = true;
        lock (_armed)
        {
            _armed.Enqueue(bytes);
        }

        _device.Fail(status, bytes);
    }

    private void Unplug(UnplugFlavor flavor)
    {
        _mayFault = true;
        _isUnplugged = true;
        _expected.LoseWaiting(_device.WaitingMessages, _device.WaitingBytes);
        lock (_armed)
        {
            _armed.Clear();
        }

        _cancelsUnasked = true;
        _device.Unplug(flavor);
        _cancelsUnasked = false;
    }

    // ---- The device's side, on whatever thread. ----

    private void OnCompleting(SimulatedCompletion completion)
    {
        if (completion.Status == TransferStatus.Completed || (completion.Status == TransferStatus.Cancelled && !_cancelsUnasked))
        {
            return;
        }

        if (Volatile.Read(ref _heldFailures) > 0)
        {
            _ = Interlocked.Decrement(ref _heldFailures);
            return;
        }

        byte[] bytes = [];
        lock (_armed)
        {
            if (_armed.TryDequeue(out byte[]? own))
            {
                bytes = own;
            }
        }

        _expected.Fault(
            completion.Status switch
            {
                TransferStatus.Stall => BulkInError.Stall,
                TransferStatus.Overflow => BulkInError.Overflow,
                TransferStatus.Cancelled or TransferStatus.NoDevice => BulkInError.Interrupted,
                _ => BulkInError.TransferError,
            },
            bytes,
            _device.WaitingMessages,
            _device.WaitingBytes);
    }

    private void OnSubmitting(SimulatedCall call)
    {
        // Nothing is submitted between a failure and the end of its generation.
        _wasInGeneration = _expected.InGeneration;
        _expected.InGeneration = false;
    }

    private void OnSubmitted(SimulatedCall call)
    {
        if (call.Result.IsSuccess)
        {
            return;
        }

        // Submits are made under the queue's own lock, so this is a true picture.
        bool isAnyPosted = _queue.Statistics.Idle < _sequence.Depth;
        if (_queue.State != BulkInState.Running && !isAnyPosted)
        {
            // An attempt to post again that failed: the fault it was to mend goes on.
            _expected.InGeneration = _wasInGeneration;
        }
        else if (call.Result.Status == BackendStatus.NoMemory && isAnyPosted)
        {
            // Others are posted, or completed and unread: no fault, it is tried again.
            _deferred = true;
        }
        else
        {
            _expected.Fault(
                call.Result.Status switch
                {
                    BackendStatus.NoDevice => BulkInError.DeviceGone,
                    BackendStatus.NoMemory => BulkInError.OutOfMemory,
                    _ => BulkInError.SubmitFailed,
                },
                [],
                _device.WaitingMessages,
                _device.WaitingBytes);
        }
    }

    // ---- The reader's side. ----

    private void Poll(Step step)
    {
        Span<byte> destination = _destination.AsSpan(0, 1 + (step.A % 40));
        if (_pending is { IsCompleted: false })
        {
            Assert.Throws<InvalidOperationException>(() => _queue.TryRecv(_destination, out _));
            return;
        }

        if (_pending is not null)
        {
            return;
        }

        try
        {
            BulkInResult result;
            if (step.B % 2 == 0)
            {
                bool any = _queue.TryRecv(destination, out result);
                Assert.Equal(any, result.Status != BulkInStatus.TimedOut);
            }
            else
            {
                result = _queue.Recv(destination, TimeSpan.Zero);
            }

            Take(result, destination);
        }
        catch (BulkInException fault)
        {
            Take(fault);
        }
    }

    private void Begin(Step step)
    {
        _cancel?.Dispose();
        _cancel = new CancellationTokenSource();
        _isTimed = step.B % 2 == 0;
        _transfersAtBegin = _queue.Statistics.Transfers;
        _pending = _queue.RecvAsync(
            _destination.AsMemory(0, 1 + (step.A % 40)),
            _isTimed ? Timeout : System.Threading.Timeout.InfiniteTimeSpan,
            _cancel.Token).AsTask();
    }

    private async Task EndPendingAsync()
    {
        Task<BulkInResult> pending = _pending!;
        try
        {
            BulkInResult result = await pending.InTime("the pending receive, which has something to end it");
            _pending = null;
            Take(result, _destination);
        }
        catch (BulkInException fault)
        {
            _pending = null;
            Take(fault);
        }
        catch (OperationCanceledException)
        {
            _pending = null;
            Assert.True(_cancel!.IsCancellationRequested, "Nobody cancelled the receive.");
        }
    }

    private async Task LeaseAsync()
    {
        try
        {
            BulkInLease lease = await _queue.LeaseAsync(TimeSpan.Zero).InTime();
            if (lease.IsData)
            {
                byte[] bytes = lease.Memory.ToArray();
                _leases.Add((lease, bytes));
                Take(lease.Sequence, bytes, lease.EndOfMessage, remaining: 0);
            }
            else
            {
                Take(lease.Status);
            }
        }
        catch (BulkInException fault)
        {
            Take(fault);
        }
    }

    private void Return(int index)
    {
        (BulkInLease lease, byte[] bytes) = _leases[index];
        _leases.RemoveAt(index);
        Assert.Equal(bytes, lease.Memory.ToArray());
        lease.Dispose();
        lease.Dispose();
        Assert.Throws<ObjectDisposedException>(() => lease.Memory);
    }

    private void Take(BulkInResult result, ReadOnlySpan<byte> destination)
    {
        if (result.IsData)
        {
            Take(result.Sequence, destination[..result.Length], result.EndOfMessage, result.Remaining);
        }
        else
        {
            Take(result.Status);
        }
    }

    private void Take(long sequence, ReadOnlySpan<byte> bytes, bool end, int remaining)
    {
        Assert.False(_sticky is not null && _queue.State == BulkInState.Faulted, "Data came behind a fault that waits for RecoverAsync.");
        long due = _lastWasPiece ? _lastSequence : _lastSequence + 1;
        Assert.True(sequence == due || (_discarded && sequence > due), $"Transfer {sequence} came after {_lastSequence}.");
        _lastSequence = sequence;
        _lastWasPiece = remaining > 0;
        _discarded = false;
        _expected.ReadData(bytes, end, remaining == 0);
    }

    private void Take(BulkInStatus status)
    {
        if (status == BulkInStatus.Stopped)
        {
            Assert.Equal(BulkInState.Stopped, _queue.State);
            Assert.True(_expected.IsReadUpTo(_device.WaitingMessages, _device.WaitingBytes), "The queue says stopped before everything was delivered.");
        }
        else if (IsSomethingReady())
        {
            Assert.Fail("The queue has something and says that it has nothing.");
        }
    }

    private void Take(BulkInException fault)
    {
        Assert.False(fault.RecoversByItself && _sequence.Recovery == BulkInRecovery.Manual, "A manual queue promised to recover by itself.");
        if (fault.IsTerminal)
        {
            Assert.Contains(_queue.State, (BulkInState[])[BulkInState.Gone, BulkInState.Stopped]);
            _expected.Gone();
        }

        bool isLast = !_expected.HasFaultBehindNext;
        bool isStuck = _queue.State is BulkInState.Faulted or BulkInState.Gone;
        if (_sticky is not null && isStuck)
        {
            Assert.Equal(_sticky, fault.Error);
        }
        else if (_expected.TryReadFault(fault))
        {
            _sticky = isStuck && isLast ? fault.Error : null;
        }
        else if (isStuck && fault.Error == _expected.LastFault)
        {
            // Thrown once with the promise to recover, and again because the queue gave up.
            _sticky = fault.Error;
        }
        else
        {
            throw new InvalidDataException($"A fault that nobody caused: {fault.Message}");
        }
    }

    // ---- Between the steps. ----

    private async Task VerbAsync(Func<CancellationToken, Task> verb)
    {
        BulkInState before = _queue.State;
        _mayFault = true;
        try
        {
            await verb(CancellationToken.None).InTime();
        }
        catch (InvalidOperationException)
        {
            Assert.NotEqual(BulkInState.Disposed, _queue.State);
        }
        catch (BulkInException)
        {
            Assert.Contains(_queue.State, (BulkInState[])[BulkInState.Faulted, BulkInState.Paused, BulkInState.Gone]);
        }

        if (before != BulkInState.Gone || _queue.State != BulkInState.Gone)
        {
            _sticky = null;
        }
    }

    private async Task CheckAsync()
    {
        await SettleAsync();
        while (_pending is not null && (_pending.IsCompleted || IsSomethingReady() || _queue.Statistics.Transfers > _transfersAtBegin))
        {
            await EndPendingAsync();
            await SettleAsync();
        }

        BulkInStatistics statistics = _queue.Statistics;
        Assert.Equal(_leases.Count, statistics.Leases);
        if (_queue.State == BulkInState.Running && !_deferred)
        {
            Assert.True(statistics.Idle == 0 || statistics.FreeBuffers == 0, "A slot is idle although there is a free buffer.");
        }

        if (_queue.State == BulkInState.Gone)
        {
            Assert.True(_isUnplugged, "The device is there.");
        }
        else if (_queue.State != BulkInState.Running)
        {
            Assert.Equal(0, _device.InFlight);
        }
    }

    /// <summary>A verb that changes nothing is served after every fault that was latched before.</summary>
    private async Task SettleAsync()
    {
        if (!_mayFault)
        {
            return;
        }

        bool isPaused = _queue.State == BulkInState.Paused;
        try
        {
            await (isPaused ? _queue.PauseAsync() : _queue.ResumeAsync()).InTime("a verb that has nothing to do");
        }
        catch (Exception refused) when (refused is InvalidOperationException or BulkInException)
        {
            Assert.NotEqual(BulkInState.Running, _queue.State);
        }

        Assert.NotEqual(BulkInState.Recovering, _queue.State);
        if (_queue.State == BulkInState.Running)
        {
            // Recovered, perhaps without a submit: every buffer is with the reader.
            _expected.InGeneration = false;
        }
        else if (_queue.State == BulkInState.Gone)
        {
            _expected.Gone();
        }
    }

    private bool IsSomethingReady()
    {
        BulkInStatistics statistics = _queue.Statistics;
        return _expected.IsFaultNext
            || _queue.State is BulkInState.Gone or BulkInState.Stopped
            || (_queue.State == BulkInState.Faulted && _expected.LastFault is not null && _sticky is not null)
            || Buffers - statistics.Posted - statistics.FreeBuffers - statistics.Leases > 0;
    }

    /// <summary>Back to health, then everything must come out.</summary>
    private async Task FlushAsync()
    {
        while (_leases.Count > 0)
        {
            Return(0);
            await CheckAsync();
        }

        if (_pending is not null)
        {
            await _cancel!.CancelAsync();
            await EndPendingAsync();
            await CheckAsync();
        }

        _device.Submits.Reset();
        _device.ClearHalts.Reset();
        _device.Restore();
        for (int turn = 0; turn < 200; turn++)
        {
            // Each armed failure costs a recovery; everything else is data.
            if (_queue.State == BulkInState.Faulted)
            {
                await VerbAsync(_queue.RecoverAsync);
            }
            else if (_queue.State == BulkInState.Paused)
            {
                await VerbAsync(_queue.ResumeAsync);
            }

            await CheckAsync();
            Poll(new Step(StepKind.Poll, 39, turn));
            await CheckAsync();
            if (_queue.State is BulkInState.Gone or BulkInState.Stopped
                ? _expected.IsReadUpTo(_device.WaitingMessages, _device.WaitingBytes)
                : _queue.State == BulkInState.Running && _device.WaitingMessages == 0 && !IsSomethingReady() && _device.Posted == _sequence.Depth)
            {
                break;
            }
        }

        if (_queue.State == BulkInState.Running)
        {
            // A short packet ends the transfer that may hold the last bytes.
            Deliver(1, marked: false);
            for (int turn = 0; turn < 3; turn++)
            {
                Poll(new Step(StepKind.Poll, 39, turn));
            }
        }

        Assert.True(_expected.IsReadUpTo(_device.WaitingMessages, _device.WaitingBytes), "Something that arrived never came out.");
    }
}
