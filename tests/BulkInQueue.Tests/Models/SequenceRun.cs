using System.Globalization;
using System.Text;
using BulkIn.Backends;
using BulkIn.Testing;
using Microsoft.Extensions.Logging;
using Xunit;

namespace BulkIn;

/// <summary>
/// Plays one sequence on a real queue over a simulated endpoint and on the model, and compares what each step ends with and leaves behind.
/// </summary>
/// <remarks>
/// A sequence means the same each time, though queue and control run on threads of their own. Between two steps both are at rest: a verb that changes nothing is served after
/// every fault that was latched before. Within a step the control stands in its report of a fault (the logger, called without a lock) until the reader got as
/// far as it can.
/// </remarks>
internal sealed class SequenceRun : ILogger
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private readonly Sequence _sequence;
    private readonly TimeSpan _limit;
    private readonly ReferenceDevice _modelDevice;
    private readonly ReferenceQueue _model;
    private readonly VirtualClock _clock = new();
    private readonly SimulatedEndpoint _device;
    private readonly BulkInQueue _queue;
    private readonly StringBuilder _trace = new();
    private readonly byte[] _destination = new byte[64];
    private readonly byte[] _pendingDestination = new byte[64];
    private readonly List<BulkInLease> _leases = [];
    private readonly List<ControlEvent> _events = [];
    private readonly ManualResetEventSlim _rests = new(initialState: true);

    private Task<Outcome>? _pending;
    private CancellationTokenSource? _cancel;
    private byte _next;
    private long _bytesArrived;
    private long _bytesRead;

    private SequenceRun(Sequence sequence, TimeSpan limit)
    {
        _sequence = sequence;
        _limit = limit;
        _modelDevice = new ReferenceDevice(sequence.Capabilities);
        _model = new ReferenceQueue(sequence, _modelDevice);
        _device = new SimulatedEndpoint(new SimulatedEndpointOptions
        {
            MaxPacketSize = ReferenceDevice.PacketLength,
            Capabilities = sequence.Capabilities,
            LogCapacity = 64,
            TimeProvider = _clock,
        });
        _device.Hooks.Completing = completion => Interlocked.Add(ref _bytesArrived, completion.Length);
        _queue = _device.OpenQueue(new BulkInQueueOptions
        {
            Depth = sequence.Depth,
            SpareBuffers = sequence.Spares,
            BufferLength = ReferenceDevice.BufferLength,
            Recovery = sequence.Recovery,
            RecoveryAttempts = sequence.Attempts,
            RecoveryBackoff = TimeSpan.Zero,
            TimeProvider = _clock,
            Logger = this,
        });
    }

    /// <param name="sequence">What to play.</param>
    /// <param name="limit">How long each wait may take.</param>
    /// <exception cref="SequenceFailure">Queue and model disagree; the message tells the steps up to there.</exception>
    public static async Task PlayAsync(Sequence sequence, TimeSpan limit)
    {
        SequenceRun run = new(sequence, limit);
        try
        {
            await run.PlayAsync();
        }
        catch (Exception failure)
        {
            throw new SequenceFailure(run.Describe(failure), failure);
        }
    }

    bool ILogger.IsEnabled(LogLevel logLevel) => true;

    IDisposable? ILogger.BeginScope<TState>(TState state) => null;

    /// <summary>The control reports, on its own thread and without a lock: the window in which the reader goes first.</summary>
    void ILogger.Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!Enum.IsDefined((ControlEvent)eventId.Id))
        {
            return;
        }

        int at;
        lock (_events)
        {
            at = _events.Count;
            _events.Add((ControlEvent)eventId.Id);
        }

        // Whatever does not come is found when the step is compared.
        _ = _rests.Wait(_limit);
        if (at < _model.Events.Count && _model.Events[at].PendingHasEnded && _pending is { } pending)
        {
            _ = pending.Wait(_limit);
        }
    }

    private async Task PlayAsync()
    {
        foreach (Step step in _sequence.Steps)
        {
            if (step.Kind == StepKind.Dispose)
            {
                break;
            }

            _ = _trace.Append(CultureInfo.InvariantCulture, $"  {step}");
            await DoAsync(step);
            await CompareAsync();
            _ = _trace.Append('\n');
        }

        if (!Array.Exists(_sequence.Steps, static s => s.Kind == StepKind.Dispose))
        {
            await FlushAsync();
        }

        await DisposeAsync();
    }

    // ---- The steps: the model first, so that its expectations are there when the queue acts. ----

    private async Task DoAsync(Step step)
    {
        _model.Begin();
        lock (_events)
        {
            _events.Clear();
        }

        switch (step.Kind)
        {
            case StepKind.Recover:
                await SameAsync(_model.Recover(), _queue.RecoverAsync);
                break;
            case StepKind.Pause:
                await SameAsync(_model.Pause(), _queue.PauseAsync);
                break;
            case StepKind.Resume:
                await SameAsync(_model.Resume(), _queue.ResumeAsync);
                break;
            case StepKind.Stop:
                await SameAsync(_model.Stop(), _queue.StopAsync);
                break;
            default:
                _rests.Reset();
                try
                {
                    Do(step);
                }
                finally
                {
                    _rests.Set();
                }

                break;
        }
    }

    private void Do(Step step)
    {
        switch (step.Kind)
        {
            case StepKind.RefuseSubmit:
                RefuseSubmits(step.A % 3, step.Refusal, times: 1);
                break;
            case StepKind.NoMemory:
                RefuseSubmits(step.Skip, BackendStatus.NoMemory, step.Count);
                break;
            case StepKind.ClearHaltFails:
                for (int i = 0; i < step.Count; i++)
                {
                    _modelDevice.AnswerClearHalt(fails: true);
                    _ = _device.ClearHalts.Next(new SimulatedClearHalt { Answer = SimulatedResults.Of(BackendStatus.Pipe) });
                }

                break;
            case StepKind.HaltsAgain:
                _modelDevice.AnswerClearHalt(fails: false);
                _ = _device.ClearHalts.Next(new SimulatedClearHalt { HaltsAgain = true });
                break;
            case StepKind.CancelBrings:
                byte[] late = Bytes(step.Extra);
                _modelDevice.AnswerCancel(step.CompletesFirst, late);
                _ = _device.Cancels.Next(new SimulatedCancel { Outcome = step.CompletesFirst ? CancelOutcome.CompletedFirst : CancelOutcome.Cancelled, Data = late });
                break;
            case StepKind.Restore:
                _modelDevice.Restore();
                _device.Restore();
                break;
            case StepKind.Poll when step.HasDeadToken && !_model.IsPending:
                Same(Outcome.Cancelled, () => Result(_queue.RecvAsync(_destination, System.Threading.Timeout.InfiniteTimeSpan, new CancellationToken(canceled: true)), _destination));
                break;
            case StepKind.Poll:
                Poll(step.Room, step.Way);
                break;
            case StepKind.Begin when !_model.IsPending:
                Begin(step);
                break;
            case StepKind.Cancel when _model.IsPending:
                _model.Cancel();
                _cancel!.Cancel();
                break;
            case StepKind.Elapse:
                _model.Elapse(step.Time);
                _clock.Advance(step.Time);
                break;
            case StepKind.Return when _leases.Count > 0:
                Return(step.A % _leases.Count);
                break;
            case StepKind.Discard:
                Outcome dropped = _model.Discard();
                _model.Run();
                Same(dropped, () => Outcome.Discarded(_queue.Discard()));
                break;
            default:
                if (!_modelDevice.IsUnplugged)
                {
                    Happen(step);
                }

                break;
        }
    }

    /// <summary>What a device that is there does.</summary>
    private void Happen(Step step)
    {
        switch (step.Kind)
        {
            case StepKind.Deliver or StepKind.DeliverMarked or StepKind.ZeroLengthPacket:
                byte[] message = Bytes(step.Length);
                bool isMarked = step.Kind != StepKind.Deliver;
                Both(d => d.Deliver(message, isMarked), d => d.Deliver(message, isMarked));
                break;
            case StepKind.OutOfOrder when !_model.IsPending:
                OutOfOrder(step);
                break;
            case StepKind.StallOnce:
                Fail(TransferStatus.Stall, 0);
                break;
            case StepKind.Error:
                Fail(TransferStatus.Error, step.Extra);
                break;
            case StepKind.Overflow:
                Fail(TransferStatus.Overflow, step.Extra);
                break;
            case StepKind.Strange:
                Fail(step.Strange, 0);
                break;
            case StepKind.Halt:
                Both(static d => d.Halt(), static d => d.Stall());
                break;
            case StepKind.CancelUnasked:
                Both(d => d.CancelUnasked(step.Count), d => d.CancelUnasked(step.Count));
                break;
            case StepKind.Reset or StepKind.Sleep:
                Both(d => d.Interrupt(step.Interruption), d => d.Interrupt(step.Interruption));
                break;
            case StepKind.Unplug:
                Both(d => d.Unplug(step.Flavor, step.GraceCalls), d => d.Unplug(step.Flavor, step.GraceCalls));
                break;
            default:
                break;
        }
    }

    private void Both(Action<ReferenceDevice> expected, Action<SimulatedEndpoint> actual)
    {
        expected(_modelDevice);
        _model.Run();
        actual(_device);
    }

    private void Fail(TransferStatus status, int count)
    {
        byte[] bytes = Bytes(count);
        Both(d => d.Fail(status, bytes), d => d.Fail(status, bytes));
    }

    private void RefuseSubmits(int skip, BackendStatus status, int times)
    {
        _modelDevice.RefuseSubmits(skip, status, times);
        _ = _device.Submits.Skip(skip).Next(SimulatedResults.Of(status), times);
    }

    /// <summary>Several transfers end, some of them badly, and their completions are reported in another order.</summary>
    private void OutOfOrder(Step step)
    {
        // Fixed beforehand, because the model goes first.
        Random random = new(step.B);
        List<(byte[] Bytes, bool Fails)> ends = [];
        for (int i = 0; i <= step.A % 6; i++)
        {
            bool fails = random.Next(4) == 0;
            ends.Add((Bytes(fails ? random.Next(2) : 1 + random.Next(20)), fails));
        }

        foreach ((byte[] bytes, bool fails) in ends)
        {
            if (fails)
            {
                _modelDevice.Fail(TransferStatus.Error, bytes);
            }
            else
            {
                _modelDevice.Deliver(bytes, isMarked: false);
            }
        }

        _model.Run();
        _device.Hold();
        foreach ((byte[] bytes, bool fails) in ends)
        {
            if (fails)
            {
                _device.Fail(TransferStatus.Error, bytes);
            }
            else
            {
                _device.Deliver(bytes);
            }
        }

        while (_device.HeldCompletions is > 0 and int held)
        {
            _device.Release(random.Next(held));
        }

        _device.StopHolding();
    }

    private void Poll(int? room, int way)
    {
        Outcome expected = _model.Poll(room);
        _model.Run();
        Same(expected, () => room is not { } count
            ? Lease(_queue.LeaseAsync(TimeSpan.Zero))
            : way switch
            {
                0 => _queue.TryRecv(_destination.AsSpan(0, count), out BulkInResult result) ? Describe(result, _destination) : Outcome.TimedOut,
                1 => Describe(_queue.Recv(_destination.AsSpan(0, count), TimeSpan.Zero), _destination),
                _ => Result(_queue.RecvAsync(_destination.AsMemory(0, count), TimeSpan.Zero), _destination),
            });
    }

    private void Begin(Step step)
    {
        TimeSpan? timeout = step.HasTimeout ? Timeout : null;
        _model.Receive(step.Room, timeout);
        _model.Run();
        _cancel?.Dispose();
        _cancel = new CancellationTokenSource();
        TimeSpan wait = timeout ?? System.Threading.Timeout.InfiniteTimeSpan;

        // Started here, not inside of the task: the receive stands in its place in the sequence.
        if (step.Room is { } room)
        {
            ValueTask<BulkInResult> receive = _queue.RecvAsync(_pendingDestination.AsMemory(0, room), wait, _cancel.Token);
            _pending = EndAsync(async () => Describe(await receive, _pendingDestination));
        }
        else
        {
            ValueTask<BulkInLease> lease = _queue.LeaseAsync(wait, _cancel.Token);
            _pending = EndAsync(async () => Keep(await lease));
        }
    }

    private void Return(int index)
    {
        byte[] expected = _model.Return(index);
        _model.Run();
        BulkInLease lease = _leases[index];
        _leases.RemoveAt(index);
        Assert.Equal(expected, lease.Memory.ToArray());
        lease.Dispose();
        lease.Dispose();
        Assert.Throws<ObjectDisposedException>(() => lease.Memory);
    }

    private byte[] Bytes(int count)
    {
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++)
        {
            bytes[i] = _next++;
        }

        return bytes;
    }

    // ---- What calls end with. ----

    private void Same(Outcome expected, Func<Outcome> call)
    {
        Outcome actual = End(call);
        _ = _trace.Append(" -> ").Append(actual);
        Assert.Equal(expected, actual);
    }

    private async Task SameAsync(Outcome expected, Func<CancellationToken, Task> verb)
    {
        _model.Run();
        Outcome actual = await EndAsync(async () =>
        {
            try
            {
                await verb(CancellationToken.None).InTime(_limit, "the verb");
                return Outcome.Done;
            }
            catch (BulkInException failure)
            {
                return Outcome.Failed(failure.IsTerminal);
            }
        });
        _ = _trace.Append(" -> ").Append(actual);
        Assert.Equal(expected, actual);
    }

    private static Outcome End(Func<Outcome> call)
    {
        try
        {
            return call();
        }
        catch (Exception failure) when (OutcomeOf(failure) is { } outcome)
        {
            return outcome;
        }
    }

    private static async Task<Outcome> EndAsync(Func<Task<Outcome>> call)
    {
        try
        {
            return await call();
        }
        catch (Exception failure) when (OutcomeOf(failure) is { } outcome)
        {
            return outcome;
        }
    }

    private static Outcome? OutcomeOf(Exception failure) => failure switch
    {
        BulkInException fault => Outcome.Fault(fault.Error, fault.Sequence, fault.BytePosition, fault.RecoversByItself),
        OperationCanceledException => Outcome.Cancelled,
        ObjectDisposedException => Outcome.Disposed,
        InvalidOperationException => Outcome.Refused,
        _ => null,
    };

    private Outcome Describe(BulkInResult result, byte[] destination)
    {
        if (!result.IsData)
        {
            return result.Status == BulkInStatus.Stopped ? Outcome.Stopped : Outcome.TimedOut;
        }

        _bytesRead += result.Length;
        return Outcome.Data(destination.AsSpan(0, result.Length), result.Sequence, result.Remaining, result.EndOfMessage, result.IsUntrusted);
    }

    private Outcome Keep(BulkInLease lease)
    {
        if (!lease.IsData)
        {
            return lease.Status == BulkInStatus.Stopped ? Outcome.Stopped : Outcome.TimedOut;
        }

        _leases.Add(lease);
        _bytesRead += lease.Length;
        return Outcome.Data(lease.Span, lease.Sequence, remaining: 0, lease.EndOfMessage, lease.IsUntrusted);
    }

    // A receive that must not wait has ended when it returns.
    private Outcome Result(ValueTask<BulkInResult> receive, byte[] destination)
    {
        Assert.True(receive.IsCompleted, "A receive that may not wait waits.");
        return Describe(receive.GetAwaiter().GetResult(), destination);
    }

    private Outcome Lease(ValueTask<BulkInLease> receive)
    {
        Assert.True(receive.IsCompleted, "A receive that may not wait waits.");
        return Keep(receive.GetAwaiter().GetResult());
    }

    // ---- Between the steps. ----

    private async Task CompareAsync()
    {
        // The receive before the control: what it takes may make a refused submit, which the control must answer.
        if (_model.PendingOutcome is { } expected)
        {
            await _pending!.InTime(_limit, $"the pending receive, which should have ended with '{expected}'");
            Outcome actual = await _pending!;
            _pending = null;
            _ = _trace.Append("; the pending receive: ").Append(actual);
            Assert.Equal(expected, actual);
        }

        await SettleAsync();
        if (_pending is { IsCompleted: true } ended)
        {
            Assert.Fail($"The pending receive should wait on, and ended with '{await ended}'.");
        }

        Assert.Equal(_model.Figures, Figures());
        lock (_events)
        {
            Assert.Equal(_model.Events.Select(static e => e.Event), _events);
        }
    }

    /// <summary>A verb that changes nothing is served after every fault that was latched before.</summary>
    private async Task SettleAsync()
    {
        try
        {
            await (_queue.State == BulkInState.Paused ? _queue.PauseAsync() : _queue.ResumeAsync()).InTime(_limit, "a verb that has nothing to do");
        }
        catch (Exception refused) when (refused is InvalidOperationException or BulkInException)
        {
            Assert.NotEqual(BulkInState.Running, _queue.State);
        }
    }

    private Figures Figures()
    {
        BulkInStatistics s = _queue.Statistics;
        return new Figures(
            _queue.State, s.Transfers, s.Bytes, s.BytesDiscarded, s.Faults, s.Recoveries, s.SubmitsDeferred, _device.Posted, s.Idle, s.FreeBuffers, s.Leases, _device.Submissions);
    }

    /// <summary>Back to health, then everything must come out.</summary>
    private async Task FlushAsync()
    {
        _ = _trace.Append("  (flush)\n");
        _modelDevice.ForgetAnswers();
        _device.Submits.Reset();
        _device.ClearHalts.Reset();
        await FlushAsync(new Step(StepKind.Restore, 0, 0));
        await FlushAsync(new Step(StepKind.Cancel, 0, 0));
        while (_leases.Count > 0)
        {
            await FlushAsync(new Step(StepKind.Return, 0, 0));
        }

        // Each armed failure costs a recovery; everything else is data.
        int turns = 0;
        while (_model.IsSomethingReady && _model.State is not (BulkInState.Gone or BulkInState.Stopped) || !_modelDevice.IsQuiet && !_modelDevice.IsUnplugged)
        {
            Assert.True(turns++ < 300, "The queue does not come to rest.");
            StepKind verb = _model.State switch
            {
                BulkInState.Faulted => StepKind.Recover,
                BulkInState.Paused => StepKind.Resume,
                _ => StepKind.Poll,
            };
            if (verb == StepKind.Poll && _model.State is BulkInState.Stopped or BulkInState.Gone)
            {
                break;
            }

            await FlushAsync(new Step(verb, 39, turns % 3));
        }
    }

    private async Task FlushAsync(Step step)
    {
        _ = _trace.Append(CultureInfo.InvariantCulture, $"  {step}");
        await DoAsync(step);
        await CompareAsync();
        _ = _trace.Append('\n');
    }

    private async Task DisposeAsync()
    {
        _ = _trace.Append("  Dispose");
        _model.Begin();
        _model.Dispose();
        await _queue.DisposeAsync().AsTask().InTime(_limit, "the dispose");
        if (_model.PendingOutcome is { } expected)
        {
            await _pending!.InTime(_limit, "the receive pending at the dispose");
            Assert.Equal(expected, await _pending!);
        }

        Same(Outcome.Disposed, () => _queue.TryRecv(_destination, out _) ? Outcome.Done : Outcome.TimedOut);
        while (_leases.Count > 0)
        {
            Return(0);
        }

        BulkInStatistics statistics = _queue.Statistics;
        Assert.Equal((BulkInState.Disposed, 0), (_queue.State, statistics.Leaked));
        Assert.Equal(_model.Figures.Discarded, statistics.BytesDiscarded);
        Assert.Equal(_bytesArrived, _bytesRead + statistics.BytesDiscarded);
        _cancel?.Dispose();
        _rests.Dispose();
        _device.Dispose();
    }

    private string Describe(Exception failure) =>
        $"{_sequence.Setup}\n{_trace}\n{failure.Message}\n\nThe device's record:\n{_device.Log}";
}

/// <summary>Queue and model disagree.</summary>
internal sealed class SequenceFailure(string message, Exception cause) : Exception(message, cause);
