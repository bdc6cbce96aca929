using System.IO.Pipelines;
using System.Threading.Channels;
using BulkIn.Testing;

namespace BulkIn.Adapters;

/// <summary>The queue's reader. Its end is a stop.</summary>
public class QueuePipeReaderConformanceTests : PipeReaderConformance
{
    private readonly SimulatedEndpoint _device = new();
    private readonly BulkInQueue _queue;

    public QueuePipeReaderConformanceTests()
        : this(spareBuffers: 2)
    {
    }

    protected QueuePipeReaderConformanceTests(int spareBuffers)
    {
        _queue = _device.OpenQueue(new BulkInQueueOptions { Depth = 4, BufferLength = 1024, SpareBuffers = spareBuffers });
        Reader = _queue.AsPipeReader();
    }

    protected override PipeReader Reader { get; }

    protected SimulatedEndpoint Device => _device;

    public override async Task DisposeAsync()
    {
        await Reader.CompleteAsync();
        await _queue.DisposeAsync().InTime();
        _device.Dispose();
    }

    protected override Task SendAsync(params byte[] bytes)
    {
        _device.Deliver(bytes);
        return Task.CompletedTask;
    }

    protected override Task EndAsync() => _queue.StopAsync().InTime();
}

/// <summary>The queue's reader, ended by an unplug.</summary>
public sealed class UnpluggedPipeReaderConformanceTests : QueuePipeReaderConformanceTests
{
    protected override Task EndAsync()
    {
        Device.Unplug();
        return Task.CompletedTask;
    }
}

/// <summary>The queue's reader without spare buffers: what the parser leaves moves to pooled memory at each read.</summary>
public sealed class SparelessPipeReaderConformanceTests : QueuePipeReaderConformanceTests
{
    public SparelessPipeReaderConformanceTests()
        : base(spareBuffers: 0)
    {
    }
}

/// <summary>The framework's pipe.</summary>
public sealed class FrameworkPipeConformanceTests : PipeReaderConformance
{
    private readonly Pipe _pipe = new(new PipeOptions(pauseWriterThreshold: 0, useSynchronizationContext: false));

    protected override PipeReader Reader => _pipe.Reader;

    public override async Task DisposeAsync()
    {
        await _pipe.Reader.CompleteAsync();
        await _pipe.Writer.CompleteAsync();
    }

    protected override Task SendAsync(params byte[] bytes) => _pipe.Writer.WriteAsync(bytes).InTime();

    protected override Task EndAsync() => _pipe.Writer.CompleteAsync().InTime();
}

/// <summary>The framework's reader of a stream.</summary>
public sealed class FrameworkStreamReaderConformanceTests : PipeReaderConformance
{
    private readonly FedStream _stream = new();

    public FrameworkStreamReaderConformanceTests() => Reader = PipeReader.Create(_stream);

    protected override PipeReader Reader { get; }

    public override async Task DisposeAsync() => await Reader.CompleteAsync();

    protected override Task SendAsync(params byte[] bytes)
    {
        _stream.Feed(bytes);
        return Task.CompletedTask;
    }

    protected override Task EndAsync()
    {
        _stream.End();
        return Task.CompletedTask;
    }

    /// <summary>Each read answers what one call fed.</summary>
    private sealed class FedStream : Stream
    {
        private readonly Channel<byte[]> _fed = Channel.CreateUnbounded<byte[]>();

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public void Feed(byte[] bytes) => _ = _fed.Writer.TryWrite(bytes);

        public void End() => _fed.Writer.Complete();

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (!await _fed.Reader.WaitToReadAsync(cancellationToken) || !_fed.Reader.TryRead(out byte[]? bytes))
            {
                return 0;
            }

            bytes.CopyTo(buffer);
            return bytes.Length;
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
