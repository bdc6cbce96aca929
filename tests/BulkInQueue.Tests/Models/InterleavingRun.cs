using System.Collections.Concurrent;
using BulkIn.Backends;
using BulkIn.Testing;
using Microsoft.Extensions.Logging;
using Xunit;

namespace BulkIn;

/// <summary>
/// One window, a reader, and what happens in the window: somebody stands there at a gate, the acts are done one after the other by threads of their own as far as they get,
/// the gate opens, everything must end, and the ledger must add up. Nothing here waits for a time.
/// </summary>
/// <remarks>
/// The device sends one-byte messages with the numbers 0, 1, 2, …: the transfer with sequence number n holds n. Whatever happens, the reader must get all that
/// the device handed to a transfer, in order and once, but for what a dispose counts as discarded.
/// </remarks>
internal sealed class InterleavingRun : ILogger
{
    private const int Depth = 4;

    // For acts at one moment: long enough for the one to pass the other.
    private const int LongestSpin = 500;

    private readonly Window _window;
    private readonly Reading _reading;
    private readonly IReadOnlyList<Act> _acts;
    private readonly bool _isTogether;
    private readonly VirtualClock _clock = new();
    private readonly SimulationGate _gate = new(Bounded.Limit);
    private readonly SimulatedEndpoint _device;
    private readonly BulkInQueue _queue;
    private readonly ControlRest _control;
    private readonly CancellationTokenSource _cancel = new();
    private readonly GatedMemory _gated;
    private readonly InterleavingReader _reader;
    private readonly List<(Act Act, Task End)> _verbs = [];
    private readonly List<Thread> _threads = [];
    private readonly ConcurrentQueue<Exception?> _failures = new();

    private int _armed;
    private bool _mayBeUnnoticed;
    private byte _next;
    private long _handed;

    private InterleavingRun(Window window, Reading reading, IReadOnlyList<Act> acts, bool isTogether)
    {
        _isTogether = isTogether;
        _window = window;
        _reading = reading;
        _acts = acts;
        _gated = new GatedMemory(_gate);
        _device = new SimulatedEndpoint(new SimulatedEndpointOptions { MaxPacketSize = 16, LogCapacity = 128, TimeProvider = _clock });
        _device.Hooks.Submitting = _ => Stand(Window.Reposting, Window.RepostingAfterCopy, Window.PostingAgain, Window.RecoverPosting, Window.ResumePosting);
        _device.Hooks.Submitted = _ => Stand(Window.Reposted);
        _device.Hooks.Cancelling = _ => Stand(Window.Cancelling, Window.PauseCancelling, Window.StopCancelling, Window.DisposeCancelling);
        _device.Hooks.Cancelled = _ => Stand(Window.Cancelled);
        _device.Hooks.Completed = _ => Stand(Window.Completed);
        _device.Hooks.Completing = completion =>
        {
            _ = Interlocked.Add(ref _handed, completion.Length);
            Stand(Window.Completing);
        };
        _queue = _device.OpenQueue(new BulkInQueueOptions
        {
            Depth = Depth,
            SpareBuffers = window == Window.RepostingAfterCopy ? 0 : 1,
            BufferLength = 16,
            Recovery = window.IsManual ? BulkInRecovery.Manual : BulkInRecovery.Automatic,
            RecoveryBackoff = window == Window.BackingOff ? TimeSpan.FromMilliseconds(100) : TimeSpan.Zero,
            DisposeTimeout = TimeSpan.FromHours(1),
            TimeProvider = _clock,
            Logger = this,
        });
        _control = new ControlRest(_queue);
        _reader = new InterleavingReader(_queue, window, reading, _gated, hasRivals: acts.Contains(Act.Receive));
    }

    /// <summary>The acts one after the other, in the window.</summary>
    public static Task PlayAsync(Window window, Reading reading, params Act[] acts) => PlayAsync(
        new InterleavingRun(window, reading, acts, isTogether: false),
        static run =>
        {
            foreach (Act act in run._acts)
            {
                run.Begin(act);
            }
        });

    /// <summary>The acts at one moment, with nobody standing anywhere.</summary>
    public static Task PlayTogetherAsync(Reading reading, Random random, params Act[] acts) => PlayAsync(
        new InterleavingRun(Window.AtRest, reading, acts, isTogether: true),
        run => run.BeginTogether(random));

    private static async Task PlayAsync(InterleavingRun run, Action<InterleavingRun> begin)
    {
        try
        {
            await run.EnterAsync();
            begin(run);
            await run.LeaveAsync();
            await run.EndAsync();
        }
        catch (Exception failure)
        {
            string how = string.Join(run._isTogether ? " with " : ", then ", run._acts);
            throw new SequenceFailure($"{run._window}, {run._reading}: {how}\n{failure.Message}\nState {run._queue.State}\n{run._device.Log}", failure);
        }
    }

    bool ILogger.IsEnabled(LogLevel logLevel) => true;

    IDisposable? ILogger.BeginScope<TState>(TState state) => null;

    void ILogger.Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        switch ((ControlEvent)eventId.Id)
        {
            case ControlEvent.Faulted:
                Stand(Window.Reporting);
                break;
            case ControlEvent.GaveUp:
                Stand(Window.GivingUp);
                break;
            default:
                break;
        }
    }

    // ---- Into the window. ----

    private void Stand(params ReadOnlySpan<Window> places)
    {
        if (places.Contains(_window) && Interlocked.Exchange(ref _armed, 0) == 1)
        {
            _gate.Pass();
        }
    }

    private async Task EnterAsync()
    {
        if (_window.IsManual)
        {
            await FaultAsync();
        }
        else if (_reading == Reading.Nobody)
        {
            Deliver();
            Deliver();
        }

        if (_window is Window.ResumeClearing or Window.ResumePosting)
        {
            await _queue.PauseAsync().InTime();
        }

        if (_window != Window.RecoverClearing)
        {
            await _reader.StartAsync(_cancel.Token);
        }

        _armed = 1;
        switch (_window)
        {
            case Window.Reposting or Window.Reposted or Window.RepostingAfterCopy or Window.Copying:
                Deliver();
                break;
            case Window.Completing or Window.Completed:
                // The thread that delivers is the one that reports.
                StartThread(Deliver);
                break;
            case Window.Cancelling or Window.Cancelled or Window.Reporting or Window.PostingAgain:
                _device.StallOnce();
                break;
            case Window.Draining:
                _device.Cancels.Always(new SimulatedCancel { Outcome = CancelOutcome.Late });
                _device.StallOnce();
                break;
            case Window.Probing:
                _ = _device.Probes.Next(new SimulatedProbe { Gate = _gate });
                _device.Error();
                break;
            case Window.Clearing:
                _ = _device.ClearHalts.Next(new SimulatedClearHalt { Gate = _gate });
                _device.Stall();
                break;
            case Window.BackingOff:
                _ = _device.ClearHalts.Next(new SimulatedClearHalt { Answer = SimulatedResults.Of(BackendStatus.Pipe) });
                _device.Stall();
                break;
            case Window.GivingUp:
                _device.Interrupt(Interruption.Reset);
                break;
            case Window.RecoverClearing or Window.ResumeClearing:
                _ = _device.ClearHalts.Next(new SimulatedClearHalt { Gate = _gate });
                Begin(_window.Verbs[^1]);
                break;
            case Window.PauseDraining or Window.StopDraining or Window.DisposeDraining:
                _device.Cancels.Always(new SimulatedCancel { Outcome = CancelOutcome.Late });
                Begin(_window.Verbs[^1]);
                break;
            case Window.RecoverPosting or Window.ResumePosting or Window.PauseCancelling or Window.StopCancelling or Window.DisposeCancelling:
                Begin(_window.Verbs[^1]);
                break;
            default:
                return;
        }

        if (_window.IsDraining)
        {
            await _device.WaitUntilAsync(static d => d is { Posted: 0, HeldCompletions: > 0 }, Bounded.Limit);
        }
        else if (_window == Window.BackingOff)
        {
            await _device.WaitUntilAsync(static d => d.Log.OfKind(SimulatedEventKind.ProbeAnswered).Count > 0, Bounded.Limit);
        }
        else
        {
            await _gate.WhenReachedAsync();
        }

        if (_window == Window.RecoverClearing)
        {
            await _reader.StartAsync(_cancel.Token);
        }
    }

    /// <summary>A manual queue's fault, thrown already; when nobody reads, with two transfers of data behind it.</summary>
    private async Task FaultAsync()
    {
        _device.Hold();
        _device.StallOnce();
        if (_reading == Reading.Nobody)
        {
            Deliver();
            Deliver();
        }

        _device.StopHolding();
        await EndOfAsync(_queue.ResumeAsync(), "A verb that is refused, once the fault is there");
        Assert.Equal(BulkInState.Faulted, _queue.State);
        Assert.False(ReceiveNow(), "There is no fault.");
    }

    private void Deliver()
    {
        try
        {
            _device.Deliver([_next++]);
        }
        catch (InvalidOperationException) when (_device.IsUnplugged)
        {
            // A device that is not there sends nothing.
            return;
        }
    }

    // ---- In the window. ----

    private Thread StartThread(Action body)
    {
        Thread thread = new(() => _failures.Enqueue(Record.Exception(body))) { IsBackground = true };
        _threads.Add(thread);
        thread.Start();
        return thread;
    }

    /// <summary>Does it as far as it gets. Only what needs the queue's lock may be kept waiting by somebody who stands in it: never the device, whose completions take no lock.</summary>
    private void Begin(Act act)
    {
        Thread thread = StartThread(() => Do(act));
        if (_window.IsLocked && act >= Act.Receive)
        {
            thread.UntilBlocked();
        }
        else
        {
            Assert.True(thread.Join(Bounded.Limit), $"{act} blocks.");
        }
    }

    private void BeginTogether(Random random)
    {
        Barrier start = new(_acts.Count);
        foreach (Act act in _acts)
        {
            int turns = random.Next(LongestSpin);
            _ = StartThread(() =>
            {
                start.SignalAndWait();
                Thread.SpinWait(turns);
                Do(act);
            });
        }
    }

    private void Do(Act act)
    {
        switch (act)
        {
            case Act.Deliver:
                Deliver();
                break;
            case Act.Stall when !_device.IsUnplugged:
                _device.Stall();
                break;
            case Act.Interrupt:
                _device.Interrupt(Interruption.Reset);
                break;
            case Act.Unplug:
                _mayBeUnnoticed = _device.Posted == 0 || _isTogether;
                _device.Unplug();
                break;
            case Act.Cancel:
                _cancel.Cancel();
                break;
            case Act.Timeout:
                _clock.Advance(InterleavingReader.Timeout);
                break;
            case Act.Receive:
                _ = ReceiveNow();
                break;
            case Act.Recover or Act.Pause or Act.Resume or Act.Stop or Act.Dispose:
                Task verb = Verb(act);
                lock (_verbs)
                {
                    _verbs.Add((act, verb));
                }

                break;
            default:
                break;
        }
    }

    private Task Verb(Act act)
    {
        try
        {
            return act switch
            {
                Act.Recover => _queue.RecoverAsync(),
                Act.Pause => _queue.PauseAsync(),
                Act.Resume => _queue.ResumeAsync(),
                Act.Stop => _queue.StopAsync(),
                _ => _queue.DisposeAsync().AsTask(),
            };
        }
        catch (ObjectDisposedException refused)
        {
            return Task.FromException(refused);
        }
    }

    private bool ReceiveNow() => _reader.ReceiveNow(mayBeRefused: _reader.Pending is not null || _acts.Count(static a => a == Act.Receive) > 1);

    // ---- Out of the window, and home. ----

    private async Task LeaveAsync()
    {
        _gate.Open();
        if (_window.IsDraining)
        {
            _device.Cancels.Reset();
            _device.StopHolding();
        }

        foreach (Thread thread in _threads)
        {
            Assert.True(thread.Join(Bounded.Limit), "A thread does not end though the window is left.");
        }

        Assert.All(_failures, Assert.Null);

        foreach ((Act act, Task end) in _verbs)
        {
            await EndOfAsync(end, $"{act}");
            Assert.True(IsAllowed(act, end.Exception?.InnerException), $"{act} ended with {end.Exception?.InnerException}");
        }
    }

    /// <summary>The contract's outcomes of a verb, by what else is going on.</summary>
    private bool IsAllowed(Act act, Exception? failure) => failure switch
    {
        null => true,
        ObjectDisposedException => Has(Act.Dispose) && act != Act.Dispose,
        InvalidOperationException => act switch
        {
            Act.Recover => Has(Act.Pause) || Has(Act.Stop),
            Act.Resume => Has(Act.Stop) || MayBeFaulted,
            Act.Pause => Has(Act.Stop),
            _ => false,
        },
        BulkInException fault => fault.IsTerminal && Has(Act.Unplug) && act is Act.Recover or Act.Resume or Act.Pause,
        _ => false,
    };

    private bool Has(Act act) => _acts.Contains(act) || _window.Verbs.Contains(act);

    /// <summary>The queue may have to wait for RecoverAsync.</summary>
    private bool MayBeFaulted => Has(Act.Interrupt) || _window == Window.GivingUp || _window.IsManual;

    private async Task EndAsync()
    {
        BulkInState state = await SettleAsync();
        Assert.Contains(state, AllowedStates());
        if (state == BulkInState.Disposed)
        {
            await EndReaderAsync();
        }
        else
        {
            await GoHomeAsync();
        }

        _reader.ReturnLeases();
        if (_queue.State == BulkInState.Running)
        {
            Deliver();
            Assert.True(ReceiveNow(), "The queue runs and receives nothing.");
            Assert.Equal(Depth, _device.Posted);
        }

        if (_queue.State == BulkInState.Gone)
        {
            BulkInException gone = Assert.Throws<BulkInException>(() => _queue.TryRecv(new byte[16], out _));
            Assert.Equal(BulkInError.DeviceGone, gone.Error);
        }

        if (!Has(Act.Dispose))
        {
            _reader.VerifyFaults();
        }

        await EndOfAsync(_queue.DisposeAsync().AsTask(), "The last dispose");
        VerifyData();
        _cancel.Dispose();
        ((IDisposable)_gated).Dispose();
        _device.Dispose();
    }

    private List<BulkInState> AllowedStates()
    {
        if (Has(Act.Dispose))
        {
            return [BulkInState.Disposed];
        }

        if (Has(Act.Stop))
        {
            return [BulkInState.Stopped];
        }

        Act[] turns = [.. _window.Verbs.Concat(_acts).Where(static a => a is Act.Pause or Act.Resume)];
        List<BulkInState> states = [turns is [.., Act.Pause] ? BulkInState.Paused : BulkInState.Running];
        if ((_window.IsLocked || _isTogether) && turns.Contains(Act.Pause))
        {
            // Verbs that wait for the lock, or begin at one moment, have no order.
            states.AddRange(BulkInState.Running, BulkInState.Paused);
        }

        if (MayBeFaulted)
        {
            states.Add(BulkInState.Faulted);
        }

        if (Has(Act.Unplug))
        {
            // Found out when something is posted, or is to be.
            _ = states.RemoveAll(s => s == BulkInState.Running && !_mayBeUnnoticed);
            states.Add(BulkInState.Gone);
        }

        return states;
    }

    /// <summary>Until the control has nothing to do.</summary>
    private async Task<BulkInState> SettleAsync() =>
        Has(Act.Dispose) ? _queue.State : await _control.ReachAsync(verb => EndOfAsync(verb, "The control"));

    /// <summary>What a user would do: put the queue right, and read everything.</summary>
    private async Task GoHomeAsync()
    {
        for (int turn = 0; ; turn++)
        {
            Assert.True(turn < 20, $"The queue does not get right: {_queue.State}.");
            BulkInState state = await SettleAsync();
            if (_reader.Pending is not null && state != BulkInState.Paused)
            {
                // In any other state there is, or now comes, something that ends a receive.
                if (state == BulkInState.Running)
                {
                    Deliver();
                }

                await EndReaderAsync();
                continue;
            }

            _reader.ReturnLeases();
            while (_reader.Pending is null && ReceiveNow())
            {
            }

            switch (state)
            {
                case BulkInState.Paused:
                    await EndOfAsync(_queue.ResumeAsync(), "ResumeAsync");
                    break;
                case BulkInState.Faulted:
                    await EndOfAsync(_queue.RecoverAsync(), "RecoverAsync");
                    break;
                case BulkInState.Running when _device.Posted < Depth || _device.WaitingMessages > 0:
                    // What was received made slots be posted, and these may have met another fault.
                    break;
                default:
                    return;
            }
        }
    }

    private async Task EndReaderAsync()
    {
        if (_reader.Pending is not { } pending)
        {
            return;
        }

        await EndOfAsync(pending, "The receive");
        _reader.Pending = null;
        string end = await pending;
        Assert.True(
            end switch
            {
                "data" => true,
                "timed out" => Has(Act.Timeout) || _window == Window.BackingOff,
                "cancelled" => Has(Act.Cancel),
                "stopped" => Has(Act.Stop),
                "fault" => _window.IsFault || MayBeFaulted || Has(Act.Stall) || Has(Act.Unplug),
                _ => Has(Act.Dispose),
            },
            $"The receive ended: {end}.");
    }

    /// <summary>In order, once, and all that was handed to a transfer but for what the dispose says it discarded.</summary>
    private void VerifyData()
    {
        _reader.VerifyOrder();
        BulkInStatistics statistics = _queue.Statistics;
        Assert.Equal(_handed, _reader.Received + statistics.BytesDiscarded);
        Assert.Equal(0, statistics.Leaked);
        Assert.True(Has(Act.Dispose) || statistics.BytesDiscarded == 0, "Something was discarded, and nobody disposed.");
        Assert.True(Has(Act.Dispose) || Has(Act.Stop) || Has(Act.Unplug) || _reader.Received == _next, $"{_next} were sent, and {_reader.Received} received.");
    }

    /// <summary>However it ends.</summary>
    private async Task EndOfAsync(Task task, string what)
    {
        Task end = task.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        while (_window == Window.BackingOff && !end.IsCompleted)
        {
            // A back-off ends by the clock alone. No faster than threads can start and end: a drain must not run into its bound before they ran.
            _clock.Advance(_queue.State == BulkInState.Recovering ? TimeSpan.FromMilliseconds(100) : TimeSpan.Zero);
            await Task.Factory.StartNew(static () => { }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }

        await end.InTime(what);
        _ = task.Exception;
    }
}
