using System.Globalization;
using System.Text;
using BulkIn.Testing;
using Microsoft.Extensions.Logging;
using Xunit;

namespace BulkIn;

/// <summary>
/// Plays one sequence on a real queue over a simulated endpoint and on the model, and compares what each step ends with and leaves behind.
/// </summary>
/// <remarks>
/// A sequence means the same each time, though queue and control run on threads of their own. Between two steps both are at rest (see
/// <see cref="ControlRest"/>). Within a step the control stands in its report of a fault (the logger, called without a lock) until the reader got as far as it can.
/// </remarks>
internal sealed partial class SequenceRun : ILogger
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private readonly Sequence _sequence;
    private readonly TimeSpan _limit;
    private readonly ReferenceDevice _modelDevice;
    private readonly ReferenceQueue _model;
    private readonly VirtualClock _clock = new();
    private readonly SimulatedEndpoint _device;
    private readonly BulkInQueue _queue;
    private readonly ControlRest _control;
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
        _control = new ControlRest(_queue);
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

    private Task<BulkInState> SettleAsync() => _control.ReachAsync(async verb =>
    {
        try
        {
            await verb.InTime(_limit, "a verb that has nothing to do");
        }
        catch (Exception refused) when (refused is InvalidOperationException or BulkInException)
        {
            Assert.NotEqual(BulkInState.Running, _queue.State);
        }
    });

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
