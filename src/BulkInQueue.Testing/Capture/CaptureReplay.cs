using System.Globalization;
using System.Threading.Channels;
using BulkIn.Backends;

namespace BulkIn.Testing;

/// <summary>
/// Replays the completions that a USB capture holds of one IN endpoint through a real <see cref="BulkInQueue"/>: what a driver received then,
/// it receives now, in the same pieces, with the same faults at the same places.
/// </summary>
/// <remarks>
/// <para>Each posted transfer is completed with the next recorded completion:</para>
/// <list type="bullet">
/// <item>Success (0, -121): its bytes. A completion longer than the buffer goes on in the next transfer. One that had filled the capturing
/// host's smaller buffer goes on in the same transfer, because only a short packet ends a transfer early.</item>
/// <item>Bytes that the snap length cut: the bytes that are there; the rest is counted in <see cref="CaptureReplayStatistics.MissingBytes"/>.</item>
/// <item>A cancel by the capturing host (-2, -104): passed over and counted.</item>
/// <item>Shut down (-108, -19) with no sign of life after it: the unplug. Posted transfers end with <see cref="TransferStatus.NoDevice"/>, further
/// submits with <see cref="BackendStatus.NoDevice"/>. With a later sign of life: passed over and counted.</item>
/// <item>Any other status: stall, overflow or bus error, with the recorded number as the native one. Nothing completes then until
/// <see cref="ClearHaltAsync"/>, and the replay goes on with what came after. Failures recorded of URBs that were posted together are one
/// fault; those after the first are only counted, because the queue cancels its own other transfers.</item>
/// <item>The end of the recording: as an unplug, but <see cref="End"/> says which of the two it was.</item>
/// </list>
/// <para>The file is read twice, by Open to its end and then while replaying, and never held in memory.</para>
/// </remarks>
public sealed class CaptureReplay : IBulkInBackend
{
    // Longer recorded transfers are split: a damaged length must not make the queue allocate gigabytes.
    private const int LongestRecommendedBuffer = 1 << 20;

    // URBs outstanding at one time; a recording without completions must not fill the memory.
    private const int MaximumOutstanding = 1 << 16;

    // Guards the transfers and what is told of the replay; completions are reported outside of it.
    private readonly Lock _gate = new();
    private readonly UsbCaptureReader _reader;
    private readonly CaptureReplayOptions _options;
    private readonly DateTimeOffset _start;
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationToken _stopped;
    private readonly Queue<CaptureDelivery> _deliveries = new();

    // Wakes the pump: something was posted, or the halt was cleared. One slot, so that a wake is never lost and never counted twice.
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    // What each outstanding URB of the endpoint asked for, and the event number of its submission. Only the pump touches it.
    private readonly Dictionary<ulong, (int Requested, long Number)> _outstanding = [];

    // Guarded by _gate from here on.
    private readonly List<Transfer> _posted = [];
    private CaptureReplayStatistics _statistics;
    private CaptureReplayEnd _end;
    private IOException? _failure;
    private bool _halted;
    private bool _pumping;
    private bool _disposed;

    private CaptureReplay(UsbCaptureReader reader, CaptureScan scan, UsbCaptureEndpoint source, CaptureReplayOptions options)
    {
        _reader = reader;
        _options = options;
        _stopped = _stop.Token;
        _start = scan.Start;
        Source = source;
        Endpoints = scan.Endpoints;
        int longest = Math.Clamp(Math.Max(source.LongestRequest, source.LongestTransfer), options.MaxPacketSize, LongestRecommendedBuffer);
        RecommendedBufferLength = (longest + options.MaxPacketSize - 1) / options.MaxPacketSize * options.MaxPacketSize;
        Endpoint = new BulkInEndpoint(source.Address, source.TransferType, options.MaxPacketSize)
        {
            DeviceName = string.Create(CultureInfo.InvariantCulture, $"bus {source.Bus} device {source.Device} of the capture"),
        };
    }

    /// <summary>Opens a capture file and reads it once, to choose the device and to find damage before anything is replayed.</summary>
    /// <param name="path">A pcap or pcapng file as <see cref="UsbCaptureReader"/> reads it; not a pipe.</param>
    /// <param name="options">What to replay; default: the first IN endpoint, at once.</param>
    /// <returns>The backend for <see cref="BulkInQueue.Open(IBulkInBackend, BulkInQueueOptions?)"/>, which then owns it.</returns>
    /// <exception cref="CaptureFormatException">The file is no USB capture, damaged or cut off.</exception>
    /// <exception cref="BulkInException"><see cref="BulkInError.NotFound"/>: the capture has no completion of that endpoint and device; the message
    /// lists what it has.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a directory.</exception>
    public static CaptureReplay Open(string path, CaptureReplayOptions? options = null)
    {
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 64 * 1024, FileOptions.SequentialScan);
        try
        {
            return Open(stream, options);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Opens a capture from a stream that can seek; otherwise as <see cref="Open(string, CaptureReplayOptions?)"/>.</summary>
    /// <param name="stream">The capture, from its current position on. The replay owns it once this call succeeded.</param>
    /// <param name="options">What to replay; default: the first IN endpoint, at once.</param>
    /// <returns>The backend.</returns>
    /// <exception cref="ArgumentException">The stream cannot seek.</exception>
    /// <exception cref="CaptureFormatException">The bytes are no USB capture, damaged or cut off.</exception>
    /// <exception cref="BulkInException"><see cref="BulkInError.NotFound"/>: the capture has no completion of that endpoint and device.</exception>
    public static CaptureReplay Open(Stream stream, CaptureReplayOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        options ??= new CaptureReplayOptions();
        Validate(options);
        if (!stream.CanSeek)
        {
            throw new ArgumentException("A capture is read twice, so it must be a file and not a pipe: save it first.", nameof(stream));
        }

        long origin = stream.Position;
        CaptureScan scan;
        using (var first = new UsbCaptureReader(stream, leaveOpen: true))
        {
            scan = CaptureScan.Run(first);
        }

        UsbCaptureEndpoint source = scan.Endpoints.FirstOrDefault(endpoint => Matches(endpoint, options)) ?? throw NotFound(scan, options);
        stream.Position = origin;
        return new CaptureReplay(new UsbCaptureReader(stream), scan, source, options);
    }

    /// <summary>What is replayed: the first endpoint of the capture that the options allow.</summary>
    public UsbCaptureEndpoint Source { get; }

    /// <summary>All bulk and interrupt IN endpoints with completions in the capture, in the order of their first event.</summary>
    public IReadOnlyList<UsbCaptureEndpoint> Endpoints { get; }

    /// <summary>
    /// The buffer length at which the queue sees the transfers exactly as the capturing host did: the longest recorded request, rounded up to a
    /// multiple of the max packet size; at most 1 MiB.
    /// </summary>
    public int RecommendedBufferLength { get; }

    /// <inheritdoc/>
    public BulkInEndpoint Endpoint { get; }

    /// <inheritdoc/>
    public BulkInCapabilities Capabilities => BulkInCapabilities.None;

    /// <summary>False: nobody else has a hold on the file.</summary>
    public bool IsClosed => false;

    /// <summary>Why there are no more completions; <see cref="CaptureReplayEnd.None"/> while there are.</summary>
    public CaptureReplayEnd End
    {
        get
        {
            lock (_gate)
            {
                return _end;
            }
        }
    }

    /// <summary>Why the file could not be read on, when <see cref="End"/> is <see cref="CaptureReplayEnd.Failed"/>; otherwise <see langword="null"/>.</summary>
    public IOException? Failure
    {
        get
        {
            lock (_gate)
            {
                return _failure;
            }
        }
    }

    /// <summary>Where the recorded completions went, so far.</summary>
    public CaptureReplayStatistics Statistics
    {
        get
        {
            lock (_gate)
            {
                return _statistics;
            }
        }
    }

    /// <summary>
    /// With <see cref="CaptureReplayOptions.NoteDeliveries"/>: what the recording knows about the next transfer that brought data or a zero-length
    /// packet. Transfers are noted in the order in which the queue delivers them, so the reader takes one note for each new
    /// <see cref="BulkInResult.Sequence"/>.
    /// </summary>
    /// <param name="delivery">The note.</param>
    /// <returns>False: no note is left.</returns>
    public bool TryTakeDelivery(out CaptureDelivery delivery)
    {
        lock (_gate)
        {
            return _deliveries.TryDequeue(out delivery);
        }
    }

    /// <summary>None of its own: the queue uses pinned memory.</summary>
    /// <param name="length">Ignored.</param>
    /// <returns><see langword="null"/>.</returns>
    public TransferBuffer? AllocateBuffer(int length) => null;

    /// <inheritdoc/>
    public IBulkInTransfer CreateTransfer(ITransferCompletion completion)
    {
        ArgumentNullException.ThrowIfNull(completion);
        return new Transfer(this, completion);
    }

    /// <summary>Lets the replay go on after a recorded fault.</summary>
    /// <returns>Success, or <see cref="BackendStatus.NoDevice"/> once the replay has ended.</returns>
    public ValueTask<BackendResult> ClearHaltAsync()
    {
        lock (_gate)
        {
            if (_end != CaptureReplayEnd.None)
            {
                return new(new BackendResult(BackendStatus.NoDevice));
            }

            _halted = false;
        }

        _wake.Writer.TryWrite(true);
        return new(default(BackendResult));
    }

    /// <summary>Answers at once.</summary>
    /// <param name="bound">Ignored.</param>
    /// <returns><see cref="DevicePresence.Gone"/> once the replay has ended, <see cref="DevicePresence.Present"/> before.</returns>
    public ValueTask<DevicePresence> ProbeAsync(TimeSpan bound) =>
        new(End == CaptureReplayEnd.None ? DevicePresence.Present : DevicePresence.Gone);

    /// <inheritdoc/>
    public string? GetRemedy(BulkInError reported, BackendResult result) => reported != BulkInError.DeviceGone ? null : End switch
    {
        CaptureReplayEnd.RecordingEnded => "This is the end of the recording.",
        CaptureReplayEnd.Unplugged => "The recording shows the device unplugged here.",
        CaptureReplayEnd.Failed => $"The recording could not be read on: {Failure?.Message}",
        _ => null,
    };

    /// <summary>Stops the replay and closes the file, at the latest when the completion being replayed is done.</summary>
    public void Dispose()
    {
        bool pumping;
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            pumping = _pumping;
        }

        // A pump owns the file: it may be reading at this moment. Cancelled first, the token stays usable after its source is disposed of.
        _stop.Cancel();
        _stop.Dispose();
        if (!pumping)
        {
            _reader.Dispose();
        }
    }

    private static void Validate(CaptureReplayOptions options)
    {
        if (options.TimeProvider is null)
        {
            throw new ArgumentNullException(nameof(options), $"{nameof(CaptureReplayOptions.TimeProvider)} is null.");
        }

        if (options.Endpoint is { } endpoint && endpoint is < 0x81 or > 0x8F)
        {
            throw new ArgumentOutOfRangeException(nameof(options), $"Endpoint 0x{options.Endpoint:x2} is no IN endpoint; an address from 0x81 to 0x8f was expected.");
        }

        if (options.MaxPacketSize is < 8 or > 1024 || !int.IsPow2(options.MaxPacketSize))
        {
            throw new ArgumentOutOfRangeException(nameof(options), $"A max packet size of {options.MaxPacketSize} bytes does not exist; a power of two from 8 to 1024 was expected.");
        }
    }

    private static bool Matches(UsbCaptureEndpoint endpoint, CaptureReplayOptions options) =>
        (options.Endpoint is null || endpoint.Address == options.Endpoint)
        && (options.Bus is null || endpoint.Bus == options.Bus)
        && (options.Device is null || endpoint.Device == options.Device);

    private static BulkInException NotFound(CaptureScan scan, CaptureReplayOptions options)
    {
        const int Listed = 8;
        string wanted = (options.Endpoint is { } endpoint ? $"IN endpoint 0x{endpoint:x2}" : "any bulk or interrupt IN endpoint")
            + (options.Bus is { } bus ? $" on bus {bus}" : "")
            + (options.Device is { } device ? $" of device {device}" : "");
        string found = scan.Endpoints.Count == 0
            ? "it has none of any bulk or interrupt IN endpoint"
            : $"it has {string.Join(", ", scan.Endpoints.Take(Listed))}{(scan.Endpoints.Count > Listed ? $" and {scan.Endpoints.Count - Listed} more" : "")}";
        return new BulkInException(BulkInError.NotFound, $"The capture has no completion of {wanted}; {found}.") { Endpoint = options.Endpoint ?? 0 };
    }

    private BackendResult Submit(Transfer transfer, TransferBuffer buffer)
    {
        lock (_gate)
        {
            if (_end != CaptureReplayEnd.None || _disposed)
            {
                return new BackendResult(BackendStatus.NoDevice);
            }

            if (transfer.Buffer is not null)
            {
                return new BackendResult(BackendStatus.Busy);
            }

            transfer.Buffer = buffer;
            transfer.Filled = 0;
            _posted.Add(transfer);
            if (!_pumping)
            {
                _pumping = true;
                _ = Task.Run(PumpAsync);
            }
        }

        _wake.Writer.TryWrite(true);
        return default;
    }

    private BackendResult Cancel(Transfer transfer)
    {
        int filled;
        lock (_gate)
        {
            if (!_posted.Remove(transfer))
            {
                return new BackendResult(BackendStatus.NotFound);
            }

            filled = Release(transfer, missing: 0, noted: false);
        }

        transfer.Completion.Complete(TransferStatus.Cancelled, filled, (int)TransferStatus.Cancelled);
        return default;
    }

    /// <summary>Replays the recording from its first completion to its end; the only reader of the file.</summary>
    private async Task PumpAsync()
    {
        try
        {
            await ReplayAsync().ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_stopped.IsCancellationRequested)
        {
            // Disposed of: the queue has its transfers back already.
        }
#pragma warning disable CA1031 // Whatever made the file unreadable, a reader waiting for its next completion must be told.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            Finish(CaptureReplayEnd.Failed, exception as IOException ?? new IOException(exception.Message, exception));
        }
        finally
        {
            _reader.Dispose();
        }
    }

    private async Task ReplayAsync()
    {
        CancellationToken stopped = _stopped;
        long number = 0;
        long completion = 0;
        long burstStart = -1;
        bool unplugged = false;
        (DateTimeOffset Recorded, long Stamp)? clock = null;

        while (_reader.Read() is { } captured)
        {
            number++;
            if (captured.Bus != Source.Bus || captured.Device != Source.Device || captured.Endpoint != Source.Address)
            {
                continue;
            }

            if (captured.Kind == UsbCaptureEventKind.Submission)
            {
                Note(captured, number);
                continue;
            }

            bool known = _outstanding.Remove(captured.UrbId, out (int Requested, long Number) submission);
            if (captured.Kind == UsbCaptureEventKind.SubmissionError)
            {
                Count(static s => s with { SubmissionErrors = s.SubmissionErrors + 1 });
                continue;
            }

            Count(static s => s with { Completions = s.Completions + 1 });
            bool afterLife = completion++ > Source.LastLive;
            bool success = UrbStatus.IsSuccess(captured.Status);
            bool gone = UrbStatus.IsGone(captured.Status);

            if (gone && afterLife)
            {
                // The rest of the recording is counted before the queue hears of the unplug, so that whoever does finds the final figures.
                Count(static s => s with { Unplugged = s.Unplugged + 1 });
                clock = await PaceAsync(clock, captured.Timestamp, stopped).ConfigureAwait(false);
                unplugged = true;
                continue;
            }

            if (!success && captured.UrbLength == 0 && (gone || UrbStatus.IsHostCancel(captured.Status)))
            {
                Count(gone ? static s => s with { Interrupted = s.Interrupted + 1 } : static s => s with { CancelledByHost = s.CancelledByHost + 1 });
                continue;
            }

            bool fault = !success && !gone && !UrbStatus.IsHostCancel(captured.Status);
            Count(fault ? static s => s with { Faults = s.Faults + 1 } : static s => s with { Delivered = s.Delivered + 1 });
            if (unplugged)
            {
                // A failure recorded after the unplug: counted, and there is nothing left that could fail.
                continue;
            }

            // Failures of URBs that were posted when the first of them failed belong to that one fault. Handing them to transfers that the queue is
            // about to cancel would race with its recovery, and some would hit transfers posted after it.
            if (fault && captured.UrbLength == 0 && burstStart >= 0 && known && submission.Number < burstStart)
            {
                continue;
            }

            burstStart = fault ? number : -1;
            clock = await PaceAsync(clock, captured.Timestamp, stopped).ConfigureAwait(false);
            await DeliverAsync(captured, known ? submission.Requested : null, fault, stopped).ConfigureAwait(false);
        }

        Finish(unplugged ? CaptureReplayEnd.Unplugged : CaptureReplayEnd.RecordingEnded, failure: null);
    }

    /// <summary>Remembers a submission until its completion.</summary>
    private void Note(UsbCaptureEvent captured, long number)
    {
        if (_outstanding.Count == MaximumOutstanding)
        {
            _outstanding.Clear();
        }

        _outstanding[captured.UrbId] = (captured.UrbLength, number);
    }

    /// <summary>In real time, waits until a completion is due; the first is due at once.</summary>
    private async ValueTask<(DateTimeOffset Recorded, long Stamp)?> PaceAsync(
        (DateTimeOffset Recorded, long Stamp)? clock, DateTimeOffset recorded, CancellationToken stopped)
    {
        TimeProvider time = _options.TimeProvider;
        if (!_options.RealTime || clock is not { } begun)
        {
            return clock ?? (recorded, time.GetTimestamp());
        }

        TimeSpan wait = recorded - begun.Recorded - time.GetElapsedTime(begun.Stamp);
        if (wait > TimeSpan.Zero)
        {
            // The recorded pause itself, on the caller's clock; a damaged time must not exceed what a timer takes.
            var longest = TimeSpan.FromMilliseconds(int.MaxValue);
            await Task.Delay(wait < longest ? wait : longest, time, stopped).ConfigureAwait(false);
        }

        return clock;
    }

    /// <summary>Hands one completion to the posted transfers, waiting until there are some.</summary>
    /// <param name="captured">The completion; a success, a fault, or a cancel with bytes.</param>
    /// <param name="requested">What the capturing host had asked for, if its submission is recorded.</param>
    /// <param name="fault">True: it ends with the fault, and the endpoint halts.</param>
    /// <param name="stopped">Ends the wait.</param>
    private async ValueTask DeliverAsync(UsbCaptureEvent captured, int? requested, bool fault, CancellationToken stopped)
    {
        int missing = captured.MissingLength;
        Count(s => s with { MissingBytes = s.MissingBytes + missing });

        // Only a short packet ends a transfer before its buffer is full. A recorded transfer that was full did not end in one.
        bool wasFull = !fault && captured.UrbLength > 0 && requested is { } request && captured.UrbLength >= request;
        bool endedShort = !fault && missing == 0 && requested is { } asked && captured.UrbLength < asked;
        TransferStatus status = fault ? UrbStatus.ToFault(captured.Status) : TransferStatus.Completed;
        ReadOnlyMemory<byte> rest = captured.Data;

        while (true)
        {
            Transfer? done = null;
            int filled = 0;
            bool last = false;
            lock (_gate)
            {
                if (_posted.Count > 0 && !_halted)
                {
                    Transfer head = _posted[0];
                    Memory<byte> room = head.Buffer!.Memory[head.Filled..];
                    int taken = Math.Min(room.Length, rest.Length);
                    rest.Span[..taken].CopyTo(room.Span);
                    rest = rest[taken..];
                    head.Filled += taken;
                    head.Time = captured.Timestamp;
                    head.EndedMessage = !fault && !wasFull;

                    bool full = head.Filled == head.Buffer.Length;
                    if (rest.IsEmpty && wasFull && missing == 0 && !full)
                    {
                        // The transfer stays posted, partly filled; what the device sent next goes on in it.
                        return;
                    }

                    // A short transfer that happens to fill this buffer ended in a zero-length packet, which is a transfer of its own here.
                    last = rest.IsEmpty && !(full && endedShort);
                    endedShort &= !rest.IsEmpty;

                    _posted.RemoveAt(0);
                    _halted |= last && fault;
                    filled = Release(head, last ? missing : 0, noted: status == TransferStatus.Completed || !last);
                    done = head;
                }
            }

            if (done is not null)
            {
                TransferStatus ends = last ? status : TransferStatus.Completed;
                done.Completion.Complete(ends, filled, ends == TransferStatus.Completed ? 0 : captured.Status);
                if (last)
                {
                    return;
                }

                continue;
            }

            await _wake.Reader.ReadAsync(stopped).ConfigureAwait(false);
        }
    }

    /// <summary>Takes the buffer from a transfer that is no longer posted. Under <see cref="_gate"/>.</summary>
    /// <returns>The bytes in it.</returns>
    private int Release(Transfer transfer, int missing, bool noted)
    {
        int filled = transfer.Filled;
        _statistics = _statistics with { Bytes = _statistics.Bytes + filled };
        if (_options.NoteDeliveries && (noted || filled > 0))
        {
            _deliveries.Enqueue(new CaptureDelivery(transfer.Time - _start, transfer.Time, filled, missing, missing > 0 ? transfer.EndedMessage : null));
        }

        transfer.Buffer = null;
        transfer.Filled = 0;
        return filled;
    }

    /// <summary>Ends the replay: what is posted, and whatever is submitted from now on, finds no device.</summary>
    private void Finish(CaptureReplayEnd end, IOException? failure)
    {
        (Transfer Transfer, int Filled)[] left;
        lock (_gate)
        {
            _end = end;
            _failure = failure;
            left = [.. _posted.Select(transfer => (transfer, Release(transfer, missing: 0, noted: false)))];
            _posted.Clear();
        }

        foreach ((Transfer transfer, int filled) in left)
        {
            transfer.Completion.Complete(TransferStatus.NoDevice, filled, (int)TransferStatus.NoDevice);
        }
    }

    private void Count(Func<CaptureReplayStatistics, CaptureReplayStatistics> change)
    {
        lock (_gate)
        {
            _statistics = change(_statistics);
        }
    }

    /// <summary>One reusable transfer; all its state is guarded by the replay's gate.</summary>
    private sealed class Transfer(CaptureReplay owner, ITransferCompletion completion) : IBulkInTransfer
    {
        public ITransferCompletion Completion { get; } = completion;

        /// <summary>The queue's buffer while posted, otherwise null.</summary>
        public TransferBuffer? Buffer { get; set; }

        /// <summary>Bytes written so far; only the head of the posted transfers can have some.</summary>
        public int Filled { get; set; }

        /// <summary>When the last of them were recorded.</summary>
        public DateTimeOffset Time { get; set; }

        /// <summary>Whether the recorded transfer they are from ended in a short packet, as far as the recording tells.</summary>
        public bool EndedMessage { get; set; }

        public BackendResult Submit(TransferBuffer buffer)
        {
            ArgumentNullException.ThrowIfNull(buffer);
            return owner.Submit(this, buffer);
        }

        public BackendResult Cancel() => owner.Cancel(this);

        public void Dispose()
        {
        }
    }
}
