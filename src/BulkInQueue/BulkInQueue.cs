using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.InteropServices;
using BulkIn.Backends;
using BulkIn.Core;
using BulkIn.Diagnostics;
using BulkIn.LibUsb;

namespace BulkIn;

/// <summary>
/// Keeps a USB bulk (or interrupt) IN endpoint posted: a fixed pool of asynchronous transfers, always submitted, received in the order the device
/// sent them.
/// </summary>
/// <remarks>
/// <para>
/// A host that reads one transfer at a time leaves the endpoint un-posted between reads. A device that pushes a reply then, while the host is blocked in
/// an OUT transfer, fills its FIFO and stops accepting OUT: both wait for ever. The queue absorbs <see cref="Depth"/> × <see cref="BufferLength"/>
/// bytes without anyone receiving. Beyond that somebody must receive <em>concurrently</em> with the OUT traffic.
/// </para>
/// <para>
/// Every receive ends in one of these ways, looked at in this order: an argument error; <see cref="ObjectDisposedException"/>;
/// <see cref="InvalidOperationException"/> at once, when another receive is in progress (which is not disturbed);
/// <see cref="OperationCanceledException"/>; <see cref="BulkInStatus.Data"/>; <see cref="BulkInException"/>, a fault at its position in the stream;
/// <see cref="BulkInStatus.Stopped"/>; <see cref="BulkInStatus.TimedOut"/>. A timeout or a cancellation ends only the wait: every transfer stays posted and
/// its data goes to a later receive. No byte is ever dropped silently.
/// </para>
/// <para>
/// One receive at a time, from any thread; the other members may be called at any time from any thread. One consumer at a time, too: while a pipe reader, a stream, a
/// pump or an enumeration has the queue, receives and every other consumer are refused with an <see cref="InvalidOperationException"/> that names it. When it
/// is over, the next one goes on where it ended. Continuations never run on the thread that handles USB events. A
/// <see cref="ValueTask{TResult}"/> from here is awaited exactly once, as every ValueTask.
/// </para>
/// </remarks>
[SuppressMessage("Naming", "CA1711", Justification = "It is a queue of transfers, and the name is the package's.")]
[SuppressMessage("Usage", "CA2213", Justification = "The fields end in the order that the teardown needs, in EndAsync and the control.")]
public sealed partial class BulkInQueue : IAsyncDisposable
{
    private static readonly TimeSpan WatchPeriod = TimeSpan.FromMilliseconds(500);

    private readonly GuardedBackend _backend;
    private readonly SlotPool _pool;
    private readonly Receiver _receiver;
    private readonly QueueControl _control;
    private readonly GuardedLogger _logger;
    private readonly string _name;
    private readonly int _spareBuffers;
    private ITimer? _watchdog;
    private Task? _disposed;

    private BulkInQueue(GuardedBackend backend, BulkInQueueOptions options, GuardedLogger logger)
    {
        _backend = backend;
        Endpoint = backend.Endpoint.Address;
        Depth = options.Depth;
        BufferLength = options.BufferLength;
        _spareBuffers = options.SpareBuffers;
        _name = string.Create(CultureInfo.InvariantCulture, $"BulkInQueue 0x{Endpoint:X2}{(backend.Endpoint.DeviceName.Length > 0 ? " of " : "")}{backend.Endpoint.DeviceName}");

        _logger = logger;
        ReaderSignal signal = new();

        // The pool is built before the control that it wakes; nothing is posted, and so nothing fails, in between.
        _pool = new SlotPool(backend, options, signal, () => _control!.Kick());
        _control = new QueueControl(_pool, backend, options, _logger, _name);
        _receiver = new Receiver(_pool, signal, backend, options.TimeProvider, _name);
        Capabilities = backend.Capabilities;
    }

    /// <summary>The endpoint's address, 0x81 to 0x8F.</summary>
    public byte Endpoint { get; }

    /// <summary>Slots: transfers kept posted.</summary>
    public int Depth { get; }

    /// <summary>Bytes of each slot's buffer, and so of the longest transfer.</summary>
    public int BufferLength { get; }

    /// <summary>What the transport does differently from the plain case; constant.</summary>
    public BulkInCapabilities Capabilities { get; }

    /// <summary>The current state. Readable at any time, also after <see cref="DisposeAsync"/>; it may have changed when you look at it.</summary>
    public BulkInState State
    {
        get
        {
            lock (_pool.Gate)
            {
                return _pool.State;
            }
        }
    }

    /// <summary>A snapshot of the counters. Readable at any time, also after <see cref="DisposeAsync"/>.</summary>
    public BulkInStatistics Statistics => _pool.Snapshot() with { Faults = _control.Counters.Faults, Recoveries = _control.Counters.Recoveries };

    /// <summary>Opens a queue on a transport: a mock, a simulated endpoint, or one of your own.</summary>
    /// <param name="backend">The endpoint. The queue disposes of it, also when this call throws anything but <see cref="ArgumentNullException"/>.</param>
    /// <param name="options">How; default values when null.</param>
    /// <returns>A queue with every slot posted.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="backend"/> is null.</exception>
    /// <exception cref="ArgumentException">An option is out of its range, the endpoint is not an IN endpoint of type bulk or interrupt, or the buffer length is no
    /// positive multiple of its max packet size; the message names the next valid size.</exception>
    /// <exception cref="BulkInException">A transfer was refused. What had been posted was cancelled and freed.</exception>
    public static BulkInQueue Open(IBulkInBackend backend, BulkInQueueOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(backend);
        options ??= new BulkInQueueOptions();
        GuardedLogger logger;
        GuardedBackend guarded;
        try
        {
            options.Validate();
            logger = new GuardedLogger(options.Logger);
            guarded = new GuardedBackend(backend, logger);
            EndpointRules.Check(guarded.Endpoint, options);
        }
        catch
        {
            backend.Dispose();
            throw;
        }

        BulkInQueue queue = new(guarded, options, logger);
        queue.Start(options);
        return queue;
    }

    /// <summary>Opens a queue on a libusb device handle that somebody else opened, such as LibUsbDotNet.</summary>
    /// <param name="libusbDeviceHandle">A <c>libusb_device_handle</c>, its interface claimed; see the other overload for what its owner must do.</param>
    /// <param name="endpoint">The address, 0x81 to 0x8F, of a bulk or interrupt endpoint.</param>
    /// <param name="depth">Transfers kept posted; see <see cref="BulkInQueueOptions.Depth"/>.</param>
    /// <param name="bufferLength">Bytes of each; see <see cref="BulkInQueueOptions.BufferLength"/>.</param>
    /// <returns>A queue with every slot posted.</returns>
    /// <exception cref="ArgumentException">The handle is invalid, the endpoint cannot be queued, or a figure is out of range; the message says what there is.</exception>
    /// <exception cref="InvalidOperationException">The handle's endpoint has a queue already; the message names it.</exception>
    /// <exception cref="BulkInException">The queue does not fit the system's limit for USB buffers, or a transfer was refused.</exception>
    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    /// <exception cref="DllNotFoundException">libusb is not installed; the message says how to.</exception>
    public static BulkInQueue Open(SafeHandle libusbDeviceHandle, byte endpoint, int depth, int bufferLength) =>
        Open(libusbDeviceHandle, endpoint, new BulkInQueueOptions { Depth = depth, BufferLength = bufferLength });

    /// <summary>Opens a queue on a libusb device handle that somebody else opened, such as LibUsbDotNet.</summary>
    /// <remarks>
    /// <para>The handle stays its owner's. It must be a <c>libusb_device_handle</c> of the libusb that this library loads (any other SafeHandle is undefined
    /// behaviour), its interface claimed, and the owner must handle the events of its context on a thread for as long as the queue is open: there is no way from
    /// a handle to its context, so the queue cannot.</para>
    /// <para>Dispose of the queue before the owner closes the handle. The queue holds a reference only for the length of each native call; when the owner closes
    /// first, it notices at the next call, or within a second, makes no further native call, reports <see cref="BulkInError.HandleClosed"/> and leaves its posted
    /// buffers allocated, because the system may still write into them. A pump that stopped, or a context exited without a close, cannot be noticed while
    /// idle.</para>
    /// <para>Meanwhile nobody else may clear a halt, reset, or change the alternate setting.</para>
    /// </remarks>
    /// <param name="libusbDeviceHandle">A <c>libusb_device_handle</c>, its interface claimed.</param>
    /// <param name="endpoint">The address, 0x81 to 0x8F, of a bulk or interrupt endpoint. It is looked up in the active configuration, narrowed by
    /// <see cref="BulkInQueueOptions.InterfaceNumber"/> and <see cref="BulkInQueueOptions.AlternateSetting"/>.</param>
    /// <param name="options">How; default values when null.</param>
    /// <returns>A queue with every slot posted.</returns>
    /// <exception cref="ArgumentException">The handle is invalid, the endpoint cannot be queued, or an option is out of range; the message says what there is.</exception>
    /// <exception cref="InvalidOperationException">The handle's endpoint has a queue already; the message names it.</exception>
    /// <exception cref="BulkInException">The queue does not fit the system's limit for USB buffers, or a transfer was refused.</exception>
    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    /// <exception cref="DllNotFoundException">libusb is not installed; the message says how to.</exception>
    public static BulkInQueue Open(SafeHandle libusbDeviceHandle, byte endpoint, BulkInQueueOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(libusbDeviceHandle);
        options ??= new BulkInQueueOptions();
        return Open(LibUsbBackend.ForForeignHandle(libusbDeviceHandle, endpoint, options), options);
    }

    /// <summary>Receives the next data: copies it, posts the slot again, then returns.</summary>
    /// <param name="destination">Where the bytes go; not empty. When it is shorter than the transfer, the rest comes with the next receive.</param>
    /// <param name="timeout">How long to wait; <see cref="TimeSpan.Zero"/> polls, <see cref="Timeout.InfiniteTimeSpan"/> waits for ever, as does anything above the timer's
    /// maximum of some 49 days.</param>
    /// <param name="cancellationToken">Ends the wait; no transfer is cancelled and no byte lost.</param>
    /// <returns>Data (0 bytes is a real zero-length packet), timed out, or stopped.</returns>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is empty, or <paramref name="timeout"/> is negative and not infinite.</exception>
    /// <exception cref="InvalidOperationException">Another receive is in progress, or a pipe reader, stream, pump or enumeration has the queue.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="BulkInException">A fault at its position in the stream; <see cref="BulkInException.RecoversByItself"/> tells whether reading goes on.</exception>
    /// <exception cref="ObjectDisposedException">The queue was disposed of, before or during the wait.</exception>
    public ValueTask<BulkInResult> RecvAsync(Memory<byte> destination, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        ThrowIfEmpty(destination.Span);
        return _receiver.RecvAsync(destination, timeout, cancellationToken);
    }

    /// <summary>Receives the next data, waiting for as long as it takes.</summary>
    /// <inheritdoc cref="RecvAsync(Memory{byte}, TimeSpan, CancellationToken)"/>
    public ValueTask<BulkInResult> RecvAsync(Memory<byte> destination, CancellationToken cancellationToken = default) =>
        RecvAsync(destination, Timeout.InfiniteTimeSpan, cancellationToken);

    /// <summary>Receives the next data on the calling thread, which blocks: for a driver's own thread, where it saves the hop to the thread pool.</summary>
    /// <param name="destination">Where the bytes go; not empty.</param>
    /// <param name="timeout">How long to wait, as for <see cref="RecvAsync(Memory{byte}, TimeSpan, CancellationToken)"/>.</param>
    /// <returns>Data, timed out, or stopped.</returns>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is empty, or <paramref name="timeout"/> is negative and not infinite.</exception>
    /// <exception cref="InvalidOperationException">Another receive is in progress, or a pipe reader, stream, pump or enumeration has the queue.</exception>
    /// <exception cref="BulkInException">A fault at its position in the stream.</exception>
    /// <exception cref="ObjectDisposedException">The queue was disposed of, before or during the wait.</exception>
    public BulkInResult Recv(Span<byte> destination, TimeSpan timeout)
    {
        ThrowIfEmpty(destination);
        return _receiver.Recv(destination, timeout);
    }

    /// <summary>Receives what is ready, without waiting.</summary>
    /// <param name="destination">Where the bytes go; not empty.</param>
    /// <param name="result">Data or stopped; <see langword="default"/> when nothing is ready.</param>
    /// <returns>False: nothing is ready.</returns>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is empty.</exception>
    /// <exception cref="InvalidOperationException">Another receive is in progress, or a pipe reader, stream, pump or enumeration has the queue.</exception>
    /// <exception cref="BulkInException">A fault at its position in the stream.</exception>
    /// <exception cref="ObjectDisposedException">The queue was disposed of.</exception>
    public bool TryRecv(Span<byte> destination, out BulkInResult result)
    {
        ThrowIfEmpty(destination);
        return _receiver.TryRecv(destination, out result);
    }

    /// <summary>Receives the next transfer in its own buffer, without a copy; its slot is already posted again with a spare buffer, while there are any.</summary>
    /// <param name="timeout">How long to wait, as for <see cref="RecvAsync(Memory{byte}, TimeSpan, CancellationToken)"/>.</param>
    /// <param name="cancellationToken">Ends the wait; no transfer is cancelled and no byte lost.</param>
    /// <returns>A lease to dispose of; one without data needs no dispose. After a receive with a short destination it holds the rest of that transfer.</returns>
    /// <exception cref="ArgumentException"><paramref name="timeout"/> is negative and not infinite.</exception>
    /// <exception cref="InvalidOperationException">Another receive is in progress, or a pipe reader, stream, pump or enumeration has the queue.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="BulkInException">A fault at its position in the stream.</exception>
    /// <exception cref="ObjectDisposedException">The queue was disposed of, before or during the wait.</exception>
    public ValueTask<BulkInLease> LeaseAsync(TimeSpan timeout, CancellationToken cancellationToken = default) =>
        _receiver.LeaseAsync(timeout, cancellationToken);

    /// <summary>Receives the next transfer in its own buffer, waiting for as long as it takes.</summary>
    /// <inheritdoc cref="LeaseAsync(TimeSpan, CancellationToken)"/>
    public ValueTask<BulkInLease> LeaseAsync(CancellationToken cancellationToken = default) =>
        LeaseAsync(Timeout.InfiniteTimeSpan, cancellationToken);

    /// <summary>
    /// Drops what is ready, such as the stale replies before a new command, and posts its slots again. A fault is not dropped, nor is what lies behind it.
    /// </summary>
    /// <returns>The bytes dropped, which <see cref="BulkInStatistics.BytesDiscarded"/> counts, too.</returns>
    /// <exception cref="InvalidOperationException">A receive is in progress, or a pipe reader, stream, pump or enumeration has the queue.</exception>
    /// <exception cref="ObjectDisposedException">The queue was disposed of.</exception>
    public long Discard() => _receiver.Discard();

    /// <summary>
    /// Recovers from a fault that waits for it: clears the halt with nothing posted, then posts one slot for each free buffer. Running: nothing to do. Recovering: waits for
    /// that. One attempt; the queue stays Faulted when it fails.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait, not the recovery.</param>
    /// <returns>Done when slots are posted again.</returns>
    /// <exception cref="BulkInException">The recovery failed, or the device is gone.</exception>
    /// <exception cref="InvalidOperationException">The queue is paused or stopped.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The queue was disposed of.</exception>
    public Task RecoverAsync(CancellationToken cancellationToken = default) => _control.RequestAsync(ControlVerb.Recover, cancellationToken);

    /// <summary>
    /// Cancels every transfer and waits for all of them, so that the alternate setting can be changed or the device reset. What had arrived stays receivable; a receive in
    /// progress goes on waiting. Recovering: after that. Paused: nothing to do.
    /// </summary>
    /// <remarks>An alternate setting changed without a pause may show as zero-length data: the kernel ends the transfers as if they had completed.</remarks>
    /// <param name="cancellationToken">Ends the wait, not the pause.</param>
    /// <returns>Done when nothing is posted.</returns>
    /// <exception cref="BulkInException">The device is gone, or a transfer did not come back within <see cref="BulkInQueueOptions.DisposeTimeout"/>.</exception>
    /// <exception cref="InvalidOperationException">The queue is stopped.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The queue was disposed of.</exception>
    public Task PauseAsync(CancellationToken cancellationToken = default) => _control.RequestAsync(ControlVerb.Pause, cancellationToken);

    /// <summary>Posts the slots again after <see cref="PauseAsync"/>, clearing the halt first if a fault had been met. Running: nothing to do.</summary>
    /// <param name="cancellationToken">Ends the wait, not the resumption.</param>
    /// <returns>Done when slots are posted again.</returns>
    /// <exception cref="BulkInException">The system refused (the queue stays paused), or the device is gone.</exception>
    /// <exception cref="InvalidOperationException">The queue is faulted or stopped.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The queue was disposed of.</exception>
    public Task ResumeAsync(CancellationToken cancellationToken = default) => _control.RequestAsync(ControlVerb.Resume, cancellationToken);

    /// <summary>
    /// Cancels every transfer for good. What had arrived can still be received, then every receive answers <see cref="BulkInStatus.Stopped"/>. It cuts a recovery short.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait, not the stop.</param>
    /// <returns>Done when nothing is posted, or when <see cref="BulkInQueueOptions.DisposeTimeout"/> has passed; a receive then throws
    /// <see cref="BulkInError.CompletionMissing"/> before it answers stopped.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The queue was disposed of.</exception>
    public Task StopAsync(CancellationToken cancellationToken = default) => _control.RequestAsync(ControlVerb.Stop, cancellationToken);

    /// <summary>
    /// Ends the queue: refuses new calls and ends the waiting one with <see cref="ObjectDisposedException"/>, cancels every posted transfer, waits for every one of
    /// them, and only then frees transfers, buffers and the reference on the device.
    /// </summary>
    /// <remarks>
    /// Safe to call any number of times, from several threads, from a continuation of a receive: each call returns the same end. It never throws and takes at most
    /// <see cref="BulkInQueueOptions.DisposeTimeout"/>: transfers that do not come back in that time are logged, counted in <see cref="BulkInStatistics.Leaked"/> and left behind on
    /// purpose, with their memory, because the hardware may still write there. It does not wait for leases.
    /// </remarks>
    /// <returns>Done when everything is freed or left behind.</returns>
    public ValueTask DisposeAsync()
    {
        // Continuations of the callers do not run inside the teardown.
        TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task? first = Interlocked.CompareExchange(ref _disposed, ended.Task, null);
        if (first is not null)
        {
            return new ValueTask(first);
        }

        _ = EndAsync(ended);
        return new ValueTask(ended.Task);
    }

    /// <summary>Adds what this queue counted.</summary>
    internal void AddTo(QueueTotals totals)
    {
        totals.Add(Statistics);
        _pool.AddOutcomesTo(totals.Transfers);
        _control.Counters.AddTo(totals.Faults);
    }

    private static void ThrowIfEmpty(ReadOnlySpan<byte> destination)
    {
        if (destination.IsEmpty)
        {
            throw new ArgumentException("The destination is empty: there would be no telling data from a zero-length packet.", nameof(destination));
        }
    }

    private void Start(BulkInQueueOptions options)
    {
        try
        {
            if (Capabilities.HasFlag(BulkInCapabilities.OwnerMayClose))
            {
                _watchdog = options.TimeProvider.CreateTimer(static state => ((BulkInQueue)state!).Watch(), this, WatchPeriod, WatchPeriod);
            }

            Post();
        }
        catch
        {
            // Blocking is right here: nobody has the queue yet, and what was posted must be back before the caller may free or close anything.
#pragma warning disable VSTHRD002 // The teardown needs no particular thread, and its waits are bounded.
            DisposeAsync().AsTask().GetAwaiter().GetResult();
#pragma warning restore VSTHRD002
            throw;
        }

        QueueMeter.Add(this);
        _logger.Opened(_name, Depth, BufferLength, _spareBuffers);
        _control.Start();
    }

    /// <exception cref="BulkInException">A transfer was refused.</exception>
    private void Post()
    {
        Fault? refused;
        lock (_pool.Gate)
        {
            refused = _pool.StartPosting() ?? _pool.RefusedAtOpen;
        }

        if (refused is not null)
        {
            throw FaultMessage.OfCall(
                _backend,
                string.Create(CultureInfo.InvariantCulture, $"cannot post {Depth} transfers of {BufferLength} bytes"),
                refused);
        }
    }

    [SuppressMessage("Design", "CA1031", Justification = "DisposeAsync never throws; user code that does is logged.")]
    private async Task EndAsync(TaskCompletionSource ended)
    {
        // New calls are refused, and the waiting one is woken, before this returns to the caller of DisposeAsync.
        _pool.Close();
        Task watchdogEnded = Task.CompletedTask;
        try
        {
            _receiver.Close();
            watchdogEnded = _watchdog?.DisposeAsync().AsTask() ?? watchdogEnded;
        }
        catch (Exception failure)
        {
            _logger.DisposalFailed(failure, nameof(TimeProvider));
        }

        try
        {
            await _control.DisposeAsync(watchdogEnded).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            _logger.DisposalFailed(failure, _name);
        }
        finally
        {
            QueueMeter.Remove(this);
            ended.SetResult();
        }
    }

    private void Watch()
    {
        if (_backend.IsClosed)
        {
            _control.HandleClosed();
        }
    }
}
