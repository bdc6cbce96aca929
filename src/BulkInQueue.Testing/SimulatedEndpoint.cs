using System.Globalization;
using System.Text;
using BulkIn.Backends;

namespace BulkIn.Testing;

/// <summary>
/// A bulk IN endpoint without hardware: deterministic, moved by the test, and strict. The test holds this object, the device's side; the queue gets
/// <see cref="Backend"/>. Dispose of it last (<c>using</c>): that is where a leak or a hidden misuse fails the test.
/// </summary>
/// <remarks>
/// <para>It does what a host controller does: data fills the posted transfers in the order of submission; a short or zero-length packet ends a transfer, a
/// full buffer ends it too; a message that is an exact multiple of the max packet size has no end mark, so a transfer it does not fill stays posted
/// with these bytes in it. While nothing is posted the device keeps its data (it NAKs).</para>
/// <para>It accuses: a buffer freed, used twice or written while posted; a double submit; a call on something disposed of; a free of a posted transfer;
/// clear-halt while posted; leaks. Each is thrown on the spot and kept for <see cref="VerifyNoMisuse"/>.</para>
/// <para>All members are thread-safe.</para>
/// </remarks>
public sealed partial class SimulatedEndpoint : IDisposable
{
    private const int TailLength = 20;

    // Guards everything below, transfers and buffers included. Held for short, pure state changes; never while a completion, a hook or a gate runs.
    private readonly Lock _sync = new();
    private readonly DeviceFifo _fifo = new();
    private readonly Queue<Failure> _failures = new();
    private readonly Queue<Ended> _ready = new();
    private readonly List<Ended> _held = [];
    private readonly List<Ended> _lost = [];
    private readonly List<SimulatedTransfer> _transfers = [];
    private readonly List<SimulatedBuffer> _buffers = [];
    private readonly List<SimulationMisuseException> _misuses = [];
    private readonly List<Exception> _hookFailures = [];
    private readonly long _created;
    private readonly EventThread? _eventThread;

    private SimulatedTransfer? _oldest;
    private SimulatedTransfer? _newest;
    private TaskCompletionSource? _changed;
    private Failure? _storm;
    private Condition _condition;
    private BackendResult _submitAnswer;
    private BackendResult _clearHaltAnswer;
    private ReadOnlyMemory<byte> _instantPattern;
    private int _instantLength;
    private bool _isInstant;
    private int _graceCalls;
    private bool _isHalted;
    private bool _isHolding;
    private bool _isReporting;
    private bool _isClearingHalt;
    private bool _isBackendDisposed;
    private bool _isVerified;
    private int _probesRunning;
    private long _submissions;
    private long _completions;
    private int _posted;
    private int _postedMinimum;
    private int _postedMaximum;
    private bool _wasPosted;
    private long _starvedSince;
    private long _starvations;
    private TimeSpan _starvationTime;

    /// <summary>Creates an endpoint whose device is attached and silent.</summary>
    /// <param name="options">How; default the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public SimulatedEndpoint(SimulatedEndpointOptions? options = null)
    {
        Options = options ?? new SimulatedEndpointOptions();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Options.MaxPacketSize, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(Options.LogCapacity, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(Options.FifoCapacity ?? 0, nameof(options));
        ArgumentNullException.ThrowIfNull(Options.TimeProvider, nameof(options));
        Descriptor = new BulkInEndpoint(Options.Address, Options.TransferType, Options.MaxPacketSize) { DeviceName = Options.DeviceName };
        Log = new SimulationLog(Options.LogCapacity);
        Backend = new SimulatedBackend(this);
        _created = Options.TimeProvider.GetTimestamp();
        _eventThread = Options.CompletionThread == CompletionThread.Dedicated ? new EventThread(this) : null;
    }

    private enum Condition
    {
        Attached = 0,
        Suspended,
        Unplugged,
        HandleClosed,
    }

    /// <summary>What the queue is opened on: <c>BulkInQueue.Open(endpoint.Backend, options)</c>.</summary>
    public IBulkInBackend Backend { get; }

    /// <summary>The options it was created with.</summary>
    public SimulatedEndpointOptions Options { get; }

    /// <summary>The endpoint's descriptor.</summary>
    public BulkInEndpoint Descriptor { get; }

    /// <summary>The ordered record of calls and events.</summary>
    public SimulationLog Log { get; }

    /// <summary>Places in the windows of races where a test can run code.</summary>
    public SimulationHooks Hooks { get; } = new();

    /// <summary>Answers of submits; a step that is a success is the natural course. Natural: success while the device is there.</summary>
    public SimulationScript<BackendResult> Submits { get; } = new();

    /// <summary>How cancels of posted transfers go; a cancel of one that is not posted answers "not found" and uses no step.</summary>
    public SimulationScript<SimulatedCancel> Cancels { get; } = new();

    /// <summary>How clear-halt requests go.</summary>
    public SimulationScript<SimulatedClearHalt> ClearHalts { get; } = new();

    /// <summary>How presence probes go.</summary>
    public SimulationScript<SimulatedProbe> Probes { get; } = new();

    /// <summary>
    /// Transfers that may stay behind, with their buffers and the backend, when a test loses completions on purpose. Default 0: any leak fails.
    /// </summary>
    public int AllowedLeaks { get; set; }

    /// <summary>Transfers on the bus now, ready to take data.</summary>
    public int Posted => Read(static e => e._posted);

    /// <summary>The fewest transfers on the bus since the first submit or <see cref="ResetStatistics"/>.</summary>
    public int PostedMinimum => Read(static e => e._postedMinimum);

    /// <summary>The most transfers on the bus since then.</summary>
    public int PostedMaximum => Read(static e => e._postedMaximum);

    /// <summary>How often the bus ran out of transfers after the first submit or <see cref="ResetStatistics"/>.</summary>
    public long Starvations => Read(static e => e._starvations);

    /// <summary>For how long altogether, by <see cref="SimulatedEndpointOptions.TimeProvider"/>; an interval that lasts counts up to now.</summary>
    public TimeSpan StarvationTime => Read(static e => e._starvationTime + (e._wasPosted && e._posted == 0 ? e.Since(e._starvedSince) : TimeSpan.Zero));

    /// <summary>Transfers that the queue created.</summary>
    public int Created => Read(static e => e._transfers.Count);

    /// <summary>Transfers that the queue submitted and has not got back: posted, held, lost or being reported.</summary>
    public int InFlight => Read(static e => e.CountInFlight());

    /// <summary>Submits accepted so far.</summary>
    public long Submissions => Read(static e => e._submissions);

    /// <summary>Completions reported so far.</summary>
    public long Completions => Read(static e => e._completions);

    /// <summary>Completions that wait for <see cref="Release(int[])"/>, in the order the transfers ended.</summary>
    public int HeldCompletions => Read(static e => e._held.Count);

    /// <summary>Completions that never come, unless <see cref="ReleaseLost"/> is called.</summary>
    public int LostCompletions => Read(static e => e._lost.Count);

    /// <summary>Bytes the device holds because nothing takes them.</summary>
    public int WaitingBytes => Read(static e => e._fifo.Count);

    /// <summary>Messages the device holds, partly taken ones and zero-length packets included.</summary>
    public int WaitingMessages => Read(static e => e._fifo.Messages);

    /// <summary>Messages whose last packet went into a transfer.</summary>
    public long MessagesTaken => Read(static e => e._fifo.MessagesTaken);

    /// <summary>True while the endpoint is halted.</summary>
    public bool IsHalted => Read(static e => e._isHalted);

    /// <summary>True once <see cref="Unplug"/> was called.</summary>
    public bool IsUnplugged => Read(static e => e._condition == Condition.Unplugged);

    /// <summary>True once <see cref="CloseHandle"/> was called.</summary>
    public bool IsHandleClosed => Read(static e => e._condition == Condition.HandleClosed);

    /// <summary>True once the queue disposed of the backend.</summary>
    public bool IsBackendDisposed => Read(static e => e._isBackendDisposed);

    /// <summary>Transfers that were created and never disposed of.</summary>
    public int LeakedTransfers => Read(static e => e._transfers.Count(t => t.Phase != TransferPhase.Disposed));

    /// <summary>Own buffers that were allocated and never disposed of.</summary>
    public int LeakedBuffers => Read(static e => e._buffers.Count(b => !b.IsFreed));

    /// <summary>The accusations so far.</summary>
    public IReadOnlyList<SimulationMisuseException> Misuses => Read(static e => (IReadOnlyList<SimulationMisuseException>)[.. e._misuses]);

    /// <summary>Called, outside the lock, after a submit took bytes the device had held, and after an unplug. For the dock.</summary>
    internal Action? Drained { get; set; }

    /// <summary>Opens a queue on <see cref="Backend"/>.</summary>
    /// <param name="options">The queue's options; default the defaults.</param>
    /// <returns>The queue; dispose of it before this endpoint.</returns>
    public BulkInQueue OpenQueue(BulkInQueueOptions? options = null) => BulkInQueue.Open(Backend, options);

    /// <summary>The device sends a message: packets of the max packet size, and a short one at the end unless it is an exact multiple.</summary>
    /// <param name="message">The bytes; empty is a zero-length packet.</param>
    /// <param name="zeroLengthPacket">True: a message that is an exact multiple of the max packet size is followed by a zero-length packet, as devices do
    /// that mark every end. Default false.</param>
    /// <exception cref="InvalidOperationException">The device is unplugged, its handle closed, or its FIFO has no room.</exception>
    public void Deliver(ReadOnlySpan<byte> message, bool zeroLengthPacket = false)
    {
        if (!TryDeliver(message, zeroLengthPacket))
        {
            throw new InvalidOperationException(
                $"The device cannot hold {message.Length} more bytes: {WaitingBytes} of {Options.FifoCapacity} wait and {Posted} transfers are posted.");
        }
    }

    /// <summary>Like <see cref="Deliver"/>, but nothing happens when the device's FIFO has no room for what no transfer takes.</summary>
    /// <param name="message">The bytes; empty is a zero-length packet.</param>
    /// <param name="zeroLengthPacket">As in <see cref="Deliver"/>.</param>
    /// <returns>False when there was no room.</returns>
    /// <exception cref="InvalidOperationException">The device is unplugged or its handle closed.</exception>
    public bool TryDeliver(ReadOnlySpan<byte> message, bool zeroLengthPacket = false)
    {
        lock (_sync)
        {
            if (_condition is Condition.Unplugged or Condition.HandleClosed)
            {
                throw new InvalidOperationException("A device that is unplugged, or whose handle is closed, sends nothing.");
            }

            if (!HasRoomFor(message.Length))
            {
                return false;
            }

            Record(SimulatedEventKind.Delivered, length: message.Length);
            _fifo.Append(message, Options.MaxPacketSize, zeroLengthPacket);
            Settle();
        }

        Report();
        return true;
    }

    /// <summary>
    /// The device halts the endpoint: what is posted ends with STALL in order, and so does what is submitted later, until the halt is cleared. On a platform
    /// that clears the halt itself (<see cref="BulkInCapabilities.ClearsHaltItself"/>) it is <see cref="StallOnce"/>.
    /// </summary>
    public void Stall()
    {
        if (Options.Capabilities.HasFlag(BulkInCapabilities.ClearsHaltItself))
        {
            StallOnce();
            return;
        }

        lock (_sync)
        {
            _isHalted = true;
            Record(SimulatedEventKind.Halted);
            Settle();
        }

        Report();
    }

    /// <summary>One transfer ends with STALL: the oldest posted one, or the next to be posted. The endpoint goes on.</summary>
    public void StallOnce() => Fail(TransferStatus.Stall);

    /// <summary>Transfers end with a bus error: the oldest posted ones, then those posted next.</summary>
    /// <param name="count">How many, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="count"/> is not positive.</exception>
    public void Error(int count = 1) => Fail(TransferStatus.Error, count: count);

    /// <summary>One transfer overflows: the oldest posted one, or the next to be posted.</summary>
    /// <param name="data">What its buffer gets, cut to its room.</param>
    public void Overflow(ReadOnlySpan<byte> data = default) => Fail(TransferStatus.Overflow, data);

    /// <summary>Transfers end in any way: the oldest posted ones, then those posted next. Before any data that waits in the device.</summary>
    /// <param name="status">How; any number, also one without a name.</param>
    /// <param name="data">Bytes that each of them gets first, cut to its room.</param>
    /// <param name="count">How many, at least 1.</param>
    /// <param name="nativeStatus">The transport's number. Default the value of <paramref name="status"/>.</param>
    /// <param name="reportedLength">The length that the completion claims, also a wrong one. Default the bytes received.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="count"/> is not positive.</exception>
    public void Fail(TransferStatus status, ReadOnlySpan<byte> data = default, int count = 1, int? nativeStatus = null, int? reportedLength = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        Failure failure = new(status, nativeStatus ?? (int)status, data.ToArray(), reportedLength);
        lock (_sync)
        {
            Record(SimulatedEventKind.FailureArmed, length: count, status: status);
            for (int i = 0; i < count; i++)
            {
                _failures.Enqueue(failure);
            }

            Settle();
        }

        Report();
    }

    /// <summary>Every transfer fails, those posted and those posted later, until <see cref="Calm"/>.</summary>
    /// <param name="status">How. Default a bus error.</param>
    public void Storm(TransferStatus status = TransferStatus.Error)
    {
        lock (_sync)
        {
            Record(SimulatedEventKind.FailureArmed, length: int.MaxValue, status: status);
            _storm = new Failure(status, (int)status, [], ReportedLength: null);
            Settle();
        }

        Report();
    }

    /// <summary>Ends a <see cref="Storm"/>, and forgets failures that hit nobody yet.</summary>
    public void Calm()
    {
        lock (_sync)
        {
            _storm = null;
            _failures.Clear();
            Settle();
        }

        Report();
    }

    /// <summary>Something other than the queue cancels what is posted, in order.</summary>
    /// <param name="count">At most how many, at least 1. Default all.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="count"/> is not positive.</exception>
    public void CancelUnasked(int count = int.MaxValue)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        lock (_sync)
        {
            for (int i = 0; i < count && _oldest is { } transfer; i++)
            {
                Retire(transfer, TransferStatus.Cancelled);
            }
        }

        Report();
    }

    /// <summary>The device is unplugged, for good.</summary>
    /// <param name="flavor">What that looks like.</param>
    /// <param name="graceCalls">For <see cref="UnplugFlavor.LinuxBusError"/>: calls that still meet a failing bus and not "no device": a submit is accepted
    /// and fails with ERROR, clear-halt answers an input/output error, a probe proves nothing. Default 2.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="graceCalls"/> is negative.</exception>
    public void Unplug(UnplugFlavor flavor = UnplugFlavor.Linux, int graceCalls = 2)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(graceCalls);
        lock (_sync)
        {
            if (_condition is Condition.Unplugged or Condition.HandleClosed)
            {
                return;
            }

            _condition = Condition.Unplugged;
            _graceCalls = flavor == UnplugFlavor.LinuxBusError ? graceCalls : 0;
            _submitAnswer = SimulatedResults.Of(flavor switch
            {
                UnplugFlavor.Windows => BackendStatus.Io,
                UnplugFlavor.MacOSUsb2 or UnplugFlavor.MacOSUsb3 => BackendStatus.Other,
                _ => BackendStatus.NoDevice,
            });
            _clearHaltAnswer = SimulatedResults.Of(BackendStatus.NoDevice);
            _fifo.Clear();
            _failures.Clear();
            _storm = null;
            _isHalted = false;
            _isInstant = false;
            Record(SimulatedEventKind.Unplugged);
            RetireAll(
                flavor switch
                {
                    UnplugFlavor.Linux => TransferStatus.NoDevice,
                    UnplugFlavor.Windows => TransferStatus.Stall,
                    UnplugFlavor.MacOSUsb3 => TransferStatus.Cancelled,
                    _ => TransferStatus.Error,
                },
                newestFirst: flavor == UnplugFlavor.Linux);
        }

        Report();
        Drained?.Invoke();
    }

    /// <summary>Something outside the queue ends what is posted, with NO_DEVICE, newest first, while the device stays attached.</summary>
    /// <param name="cause">What; it decides what submits answer afterwards.</param>
    public void Interrupt(Interruption cause)
    {
        lock (_sync)
        {
            if (_condition is Condition.Unplugged or Condition.HandleClosed)
            {
                return;
            }

            // ESRCH: no active configuration. EHOSTUNREACH: suspended.
            (_condition, _submitAnswer, _clearHaltAnswer) = cause switch
            {
                Interruption.Deauthorize => (Condition.Suspended, SimulatedResults.Of(BackendStatus.Io, systemError: 3), SimulatedResults.Of(BackendStatus.Other)),
                Interruption.Sleep => (Condition.Suspended, SimulatedResults.Of(BackendStatus.Io, systemError: 113), SimulatedResults.Of(BackendStatus.Io, systemError: 113)),
                _ => (Condition.Attached, default, default),
            };
            _isHalted &= cause != Interruption.Reset;
            Record(SimulatedEventKind.Interrupted);
            RetireAll(TransferStatus.NoDevice, newestFirst: true);
        }

        Report();
    }

    /// <summary>The cause of an <see cref="Interrupt"/> is over: authorized again, or awake. Submits work again.</summary>
    public void Restore()
    {
        lock (_sync)
        {
            if (_condition == Condition.Suspended)
            {
                _condition = Condition.Attached;
                Record(SimulatedEventKind.Restored);
            }
        }
    }

    /// <summary>
    /// The owner of the handle closes it: completions of what is posted never come, every call answers <see cref="BackendStatus.HandleClosed"/>. Set
    /// <see cref="AllowedLeaks"/> to what may stay behind.
    /// </summary>
    public void CloseHandle()
    {
        lock (_sync)
        {
            if (_condition == Condition.HandleClosed)
            {
                return;
            }

            _condition = Condition.HandleClosed;
            Record(SimulatedEventKind.HandleClosed);
            while (_oldest is { } transfer)
            {
                Retire(transfer, TransferStatus.NoDevice, Fate.Lost);
            }
        }
    }

    /// <summary>From now on completions wait for <see cref="Release(int[])"/> or <see cref="StopHolding"/>.</summary>
    public void Hold()
    {
        lock (_sync)
        {
            _isHolding = true;
        }
    }

    /// <summary>Reports held completions; later ones are still held.</summary>
    /// <param name="order">Which, as indexes into the order the transfers ended, in the order to report them. Default all, in that order.</param>
    /// <exception cref="ArgumentException">An index is twice in the order, or belongs to no held completion.</exception>
    public void Release(params int[] order)
    {
        ArgumentNullException.ThrowIfNull(order);
        lock (_sync)
        {
            if (order.Length == 0)
            {
                ReleaseHeld();
            }
            else
            {
                ReleaseHeld(order);
            }
        }

        Report();
    }

    /// <summary>Reports all held completions, newest first; later ones are still held.</summary>
    public void ReleaseReversed()
    {
        lock (_sync)
        {
            _held.Reverse();
            ReleaseHeld();
        }

        Report();
    }

    /// <summary>Reports all held completions in order and holds none any more.</summary>
    public void StopHolding()
    {
        lock (_sync)
        {
            _isHolding = false;
            ReleaseHeld();
        }

        Report();
    }

    /// <summary>Reports the completions that were to be lost: the case where they come much too late.</summary>
    public void ReleaseLost()
    {
        lock (_sync)
        {
            foreach (Ended ended in _lost)
            {
                _ready.Enqueue(ended);
            }

            _lost.Clear();
        }

        Report();
    }

    /// <summary>Every submit completes at once, with the same bytes, until <see cref="StopInstant"/>: for benchmarks.</summary>
    /// <param name="pattern">The bytes of each transfer, cut to its buffer.</param>
    public void StartInstant(ReadOnlyMemory<byte> pattern)
    {
        StartInstant(pattern, pattern.Length);
    }

    /// <summary>Every submit completes at once with so many bytes, whatever the buffer holds: measures the library without the device's copy.</summary>
    /// <param name="length">Bytes of each transfer, not negative, cut to its buffer.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="length"/> is negative.</exception>
    public void StartInstant(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        StartInstant(default, length);
    }

    /// <summary>Ends <see cref="StartInstant(int)"/>: transfers wait for data again.</summary>
    public void StopInstant()
    {
        lock (_sync)
        {
            _isInstant = false;
        }
    }

    /// <summary>Starts the posted figures and the starvation count afresh.</summary>
    public void ResetStatistics()
    {
        lock (_sync)
        {
            _postedMinimum = _posted;
            _postedMaximum = _posted;
            _starvations = 0;
            _starvationTime = TimeSpan.Zero;
            _starvedSince = Options.TimeProvider.GetTimestamp();
        }
    }

    /// <summary>Waits until something is so, looking again after every event.</summary>
    /// <param name="condition">Asked on any thread, outside the lock.</param>
    /// <param name="bound">How long, in real time. Default 10 s.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>A task that ends when it is so.</returns>
    /// <exception cref="TimeoutException">It did not become so; the message has the tail of the record.</exception>
    /// <exception cref="ArgumentNullException"><paramref name="condition"/> is null.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task WaitUntilAsync(Func<SimulatedEndpoint, bool> condition, TimeSpan? bound = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(condition);
        TimeSpan limit = bound ?? TimeSpan.FromSeconds(10);
        long start = TimeProvider.System.GetTimestamp();
        while (true)
        {
            Task changed;
            lock (_sync)
            {
                _changed ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                changed = _changed.Task;
            }

            if (condition(this))
            {
                return;
            }

            TimeSpan left = limit - TimeProvider.System.GetElapsedTime(start);
            try
            {
                await changed.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, cancellationToken).ConfigureAwait(false);
            }
            catch (TimeoutException late)
            {
                if (condition(this))
                {
                    return;
                }

                throw new TimeoutException($"The condition did not hold within {limit}. Last events:\n{Log.Describe(TailLength)}", late);
            }
        }
    }

    /// <summary>How many transfers were on the bus, over time: one entry for each change that the record still holds.</summary>
    /// <returns>The changes, oldest first.</returns>
    public IReadOnlyList<(TimeSpan Time, int Posted)> GetDepthHistory()
    {
        List<(TimeSpan Time, int Posted)> history = [];
        foreach (SimulatedEvent entry in Log.Events)
        {
            if (history.Count == 0 || history[^1].Posted != entry.Posted)
            {
                history.Add((entry.Time, entry.Posted));
            }
        }

        return history;
    }

    /// <summary>Throws the misuse that happened, if any.</summary>
    /// <exception cref="SimulationMisuseException">The code under test broke the contract; all accusations in one message.</exception>
    /// <exception cref="AggregateException">There was none, but a hook or a completion threw on the endpoint's own thread.</exception>
    public void VerifyNoMisuse()
    {
        lock (_sync)
        {
            CheckFreedBuffers();
            if (_misuses.Count == 1)
            {
                throw new SimulationMisuseException(_misuses[0].Message);
            }

            if (_misuses.Count > 1)
            {
                StringBuilder all = new();
                all.Append(CultureInfo.InvariantCulture, $"{_misuses.Count} misuses.");
                for (int i = 0; i < _misuses.Count; i++)
                {
                    all.Append(CultureInfo.InvariantCulture, $"\n{i + 1}. {_misuses[i].Message}");
                }

                throw new SimulationMisuseException(all.ToString());
            }

            if (_hookFailures.Count > 0)
            {
                throw new AggregateException("A hook or a completion threw on the endpoint's own thread.", _hookFailures);
            }
        }
    }

    /// <summary>Throws when a transfer, a buffer or the backend was not disposed of, beyond <see cref="AllowedLeaks"/>.</summary>
    /// <exception cref="SimulationMisuseException">Something leaked.</exception>
    public void VerifyNothingLeaked()
    {
        lock (_sync)
        {
            List<SimulatedTransfer> transfers = [.. _transfers.Where(t => t.Phase != TransferPhase.Disposed)];
            bool used = _transfers.Count > 0 || _buffers.Count > 0;
            if (transfers.Count > AllowedLeaks)
            {
                throw Accuse($"{transfers.Count} of {_transfers.Count} transfers were never disposed of ({AllowedLeaks} allowed): {string.Join(", ", transfers.Take(8).Select(Describe))}.");
            }

            // Only what is posted may keep its buffer; everything else the queue must give back.
            List<SimulatedBuffer> idle = [.. _buffers.Where(b => !b.IsFreed && b.Owner is null)];
            if (idle.Count > AllowedLeaks)
            {
                throw Accuse($"{idle.Count} of {_buffers.Count} buffers were never disposed of ({AllowedLeaks} allowed): {string.Join(", ", idle.Take(8).Select(b => $"buffer {b.Number}"))}.");
            }

            if (used && !_isBackendDisposed && AllowedLeaks == 0)
            {
                throw Accuse("The backend was never disposed of.");
            }
        }
    }

    /// <summary>Ends the simulation: stops the endpoint's thread, then <see cref="VerifyNoMisuse"/> and <see cref="VerifyNothingLeaked"/>. Idempotent.</summary>
    /// <exception cref="SimulationMisuseException">The code under test broke the contract, or leaked. Thrown once.</exception>
    public void Dispose()
    {
        lock (_sync)
        {
            if (_isVerified)
            {
                return;
            }

            _isVerified = true;
        }

        _eventThread?.Stop();
        VerifyNoMisuse();
        VerifyNothingLeaked();
    }

    private T Read<T>(Func<SimulatedEndpoint, T> read)
    {
        lock (_sync)
        {
            return read(this);
        }
    }

    private void StartInstant(ReadOnlyMemory<byte> pattern, int length)
    {
        lock (_sync)
        {
            _instantPattern = pattern;
            _instantLength = length;
            _isInstant = true;
            Settle();
        }

        Report();
    }
}
