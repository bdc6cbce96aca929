using BulkIn.Core;

namespace BulkIn.Adapters;

/// <summary>A view as a stream to read from: each read is a receive into the caller's memory, and the queue keeps what does not fit.</summary>
internal sealed class QueueStream(ConsumerView view) : Stream
{
    private volatile bool _disposed;

    public override bool CanRead => !_disposed;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw NotSeekable();

    public override long Position
    {
        get => throw NotSeekable();
        set => throw NotSeekable();
    }

    public override int Read(Span<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        while (!buffer.IsEmpty)
        {
            BulkInResult result;
            try
            {
                result = view.Recv(buffer);
            }
            catch (BulkInException fault) when (fault.IsUnplug())
            {
                return 0;
            }

            if (result.Length > 0 || !result.IsData)
            {
                return result.Length;
            }
        }

        return 0;
    }

    public override int Read(byte[] buffer, int offset, int count)
    {
        ValidateBufferArguments(buffer, offset, count);
        return Read(buffer.AsSpan(offset, count));
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        while (!buffer.IsEmpty)
        {
            BulkInResult result;
            try
            {
                result = await view.RecvAsync(buffer, Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false);
            }
            catch (BulkInException fault) when (fault.IsUnplug())
            {
                return 0;
            }

            if (result.Length > 0 || !result.IsData)
            {
                return result.Length;
            }
        }

        return 0;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        ValidateBufferArguments(buffer, offset, count);
        return ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    public override IAsyncResult BeginRead(byte[] buffer, int offset, int count, AsyncCallback? callback, object? state) =>
        TaskToAsyncResult.Begin(ReadAsync(buffer, offset, count, CancellationToken.None), callback, state);

    public override int EndRead(IAsyncResult asyncResult) => TaskToAsyncResult.End<int>(asyncResult);

    public override void Flush()
    {
        // Nothing is written, so nothing waits to be.
    }

    public override long Seek(long offset, SeekOrigin origin) => throw NotSeekable();

    public override void SetLength(long value) => throw NotSeekable();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("An IN endpoint is only read from.");

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _disposed = true;
            view.Dispose();
        }

        base.Dispose(disposing);
    }

    private static NotSupportedException NotSeekable() => new("An endpoint has no positions to seek.");
}
