using BulkIn.Backends;

namespace BulkIn.Testing;

/// <summary>
/// The classical host, for comparison: it posts an IN transfer only inside its read call, so the endpoint is un-posted between calls. A device that
/// must send before it accepts more OUT data then waits for ever; a <see cref="BulkInQueue"/> exists to avoid that.
/// </summary>
/// <remarks>Works on any backend and owns it. One read at a time; not thread-safe.</remarks>
public sealed class OneAtATimeReader : IDisposable, ITransferCompletion
{
    private readonly IBulkInBackend _backend;
    private readonly IBulkInTransfer _transfer;
    private readonly TransferBuffer _buffer;
    private readonly TimeProvider _timeProvider;
    private TaskCompletionSource<(TransferStatus Status, int Length)>? _done;
    private bool _isReading;
    private bool _isDisposed;

    /// <summary>Creates the one transfer and its buffer; nothing is posted yet.</summary>
    /// <param name="backend">The endpoint. Disposed of by this reader.</param>
    /// <param name="bufferLength">Bytes of the buffer: a positive multiple of the endpoint's max packet size.</param>
    /// <param name="timeProvider">The clock for timeouts. Default the system's.</param>
    /// <exception cref="ArgumentNullException"><paramref name="backend"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bufferLength"/> is not positive.</exception>
    public OneAtATimeReader(IBulkInBackend backend, int bufferLength, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bufferLength);
        _backend = backend;
        _timeProvider = timeProvider ?? TimeProvider.System;
        _buffer = backend.AllocateBuffer(bufferLength) ?? new PinnedBuffer(bufferLength);
        _transfer = backend.CreateTransfer(this);
    }

    /// <summary>Posts the transfer, waits for it to end, and copies what it received. When the time is over the transfer is cancelled.</summary>
    /// <param name="destination">Where the bytes go; what does not fit is lost, as in a classical read.</param>
    /// <param name="timeout">How long, not negative, or <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <param name="cancellationToken">Ends the wait like the timeout does, but throws.</param>
    /// <returns>Bytes copied, 0 for a zero-length packet; <see langword="null"/> when the time was over and nothing had arrived.</returns>
    /// <exception cref="IOException">The submit was refused, or the transfer failed.</exception>
    /// <exception cref="InvalidOperationException">A read is running.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The reader is disposed of.</exception>
    public async Task<int?> ReadAsync(Memory<byte> destination, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (_isReading)
        {
            throw new InvalidOperationException("A read is running: this reader reads one transfer at a time.");
        }

        cancellationToken.ThrowIfCancellationRequested();
        TaskCompletionSource<(TransferStatus Status, int Length)> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _done = done;
        BackendResult submitted = _transfer.Submit(_buffer);
        if (!submitted.IsSuccess)
        {
            throw new IOException($"The submit was refused: {submitted.Status} ({submitted.NativeCode}).");
        }

        _isReading = true;
        bool isLate = false;
        try
        {
            await done.Task.WaitAsync(timeout, _timeProvider, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            isLate = true;
            _ = _transfer.Cancel();
        }
        catch (OperationCanceledException)
        {
            _ = _transfer.Cancel();
            await done.Task.ConfigureAwait(false);
            _isReading = false;
            throw;
        }

        (TransferStatus status, int length) = await done.Task.ConfigureAwait(false);
        _isReading = false;
        if (isLate && status == TransferStatus.Cancelled && length == 0)
        {
            return null;
        }

        if (status != TransferStatus.Completed && !(isLate && status == TransferStatus.Cancelled))
        {
            throw new IOException($"The transfer ended with {status}.");
        }

        ReadOnlyMemory<byte> received = _buffer.Memory[..Math.Min(length, destination.Length)];
        received.CopyTo(destination);
        return received.Length;
    }

    /// <summary>Frees the transfer, the buffer and the backend, in this order. Not while a read is running: its transfer is posted.</summary>
    public void Dispose()
    {
        if (!_isDisposed)
        {
            _isDisposed = true;
            _transfer.Dispose();
            _buffer.Dispose();
            _backend.Dispose();
        }
    }

    /// <inheritdoc/>
    void ITransferCompletion.Complete(TransferStatus status, int actualLength, int nativeStatus) =>
        _done!.TrySetResult((status, Math.Clamp(actualLength, 0, _buffer.Length)));
}
