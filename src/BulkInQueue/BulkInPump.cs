using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Threading.Channels;
using BulkIn.Adapters;
using BulkIn.Core;
using BulkIn.Diagnostics;
using Microsoft.Extensions.Logging;

namespace BulkIn;

/// <summary>
/// Drains an endpoint on a thread of its own into <see cref="Reader"/>, whether or not anybody reads. Made by <see cref="BulkInQueue.StartPump"/>; it has the queue until it ends.
/// </summary>
/// <remarks>
/// <para>The thread blocks in the receive itself and copies each packet into pooled memory, so that the transfer is posted again at once: packets that wait cost no
/// posted depth, and a starved thread pool does not stop the draining. Each packet in <see cref="Reader"/> belongs to the one who took it, who disposes of it after use, in any
/// order and from any thread; one that is forgotten costs a rented array, nothing else.</para>
/// <para>Faults keep their place. One that the queue recovers from by itself is thrown by the reading call that reaches it, once; the pump goes on, and so does the next read. Any other
/// fault ends the pump: what came before it can still be read, then the channel is completed with it. Start another pump after <see cref="BulkInQueue.RecoverAsync"/>.</para>
/// <para>The channel is completed without an error when the queue was stopped, the device unplugged, or the pump stopped; with <see cref="ObjectDisposedException"/> when
/// the queue was disposed of under it.</para>
/// </remarks>
[SuppressMessage("Usage", "CA2213", Justification = "A source that has no timer holds nothing, and StopAsync may be called at any time.")]
public sealed class BulkInPump : IAsyncDisposable
{
    private readonly ConsumerView _view;
    private readonly PumpBacklog _backlog;
    private readonly ConcurrentQueue<PumpBuffer> _buffers = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly byte _endpoint;
    private readonly ILogger _logger;
    private readonly string _queue;
    private bool _dropReported;

    internal BulkInPump(ConsumerView view, int capacity, BulkInPumpFullMode fullMode, byte endpoint, ILogger logger, string queue)
    {
        _view = view;
        _backlog = new PumpBacklog(capacity, fullMode);
        _endpoint = endpoint;
        _logger = logger;
        _queue = queue;
        Capacity = capacity;
        FullMode = fullMode;
        Thread thread = new(Run) { IsBackground = true, Name = queue + " pump" };
        thread.Start();
    }

    /// <summary>The packets, in order. For any number of readers; each packet goes to one of them, who disposes of it. <see cref="ChannelReader{T}.Count"/> is the
    /// number of packets that wait. Reading calls throw a <see cref="BulkInException"/> where the stream has a gap and go on behind it; after the last packet they throw
    /// <see cref="ChannelClosedException"/>, whose inner exception is why the pump ended, if it is no proper end.</summary>
    public ChannelReader<BulkInLease> Reader => _backlog;

    /// <summary>Packets that may wait.</summary>
    public int Capacity { get; }

    /// <summary>What happens to a packet beyond that.</summary>
    public BulkInPumpFullMode FullMode { get; }

    /// <summary>Packets dropped because of <see cref="FullMode"/>, or unread at <see cref="DisposeAsync"/>. Their bytes are part of
    /// <see cref="BulkInStatistics.BytesDiscarded"/>, too.</summary>
    public long Dropped => _backlog.Dropped;

    /// <summary>The bytes of those packets.</summary>
    public long DroppedBytes => _backlog.DroppedBytes;

    /// <summary>
    /// Ends the draining and gives up the queue, which stays open. What was received can still be read, then <see cref="Reader"/> is complete. Idempotent, from any thread.
    /// </summary>
    /// <returns>Done when the pump's thread has let go of the queue.</returns>
    public Task StopAsync()
    {
        // Its only callback wakes the thread: nothing blocks here, and no thread pool is needed to stop.
#pragma warning disable CA1849, VSTHRD103
        _stop.Cancel();
#pragma warning restore CA1849, VSTHRD103
        _backlog.Stop();
        return _ended.Task;
    }

    /// <summary>Stops the pump and drops what was not read. Idempotent, from any thread.</summary>
    /// <returns>Done when the pump's thread has let go of the queue.</returns>
    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        _view.CountDiscarded(_backlog.Clear());
    }

    [SuppressMessage("Design", "CA1031", Justification = "Whatever ends the thread is the channel's to tell.")]
    private void Run()
    {
        Exception? failure = null;
        try
        {
            failure = Drain();
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            failure = null;
        }
        catch (Exception thrown)
        {
            failure = thrown;
        }
        finally
        {
            // The queue is free before anybody can learn that the pump ended.
            _view.Dispose();
            _backlog.Complete(failure);
            _logger.PumpEnded(_queue, _backlog.Dropped);
            _ended.SetResult();
        }
    }

    /// <returns>Why the channel ends, when it is not by an exception; null is its proper end.</returns>
    private BulkInException? Drain()
    {
        while (true)
        {
            BulkInLease packet;
            try
            {
                packet = _view.Lease(_stop.Token);
            }
            catch (BulkInException fault) when (fault.RecoversByItself)
            {
                _backlog.Add(fault);
                continue;
            }
            catch (BulkInException fault) when (fault.IsUnplug())
            {
                return null;
            }

            if (!packet.IsData)
            {
                return null;
            }

            long droppedBefore = _backlog.DroppedBytes;
            if (!_backlog.Add(PumpBuffer.Copy(packet, _buffers)))
            {
                return Overrun(packet.Sequence);
            }

            CountDropped(droppedBefore);
        }
    }

    private void CountDropped(long before)
    {
        if (_backlog.Dropped == 0)
        {
            return;
        }

        _view.CountDiscarded(_backlog.DroppedBytes - before);
        if (!_dropReported)
        {
            _dropReported = true;
            _logger.PumpDropping(_queue, Capacity, FullMode);
        }
    }

    private BulkInException Overrun(long sequence) => new(
        BulkInError.PumpOverrun,
        string.Create(
            CultureInfo.InvariantCulture,
            $"Endpoint 0x{_endpoint:X2}: the pump's {Capacity} places were full when a packet arrived. Nothing is lost: what arrives now waits in the queue. Use a larger capacity or a faster consumer, and start another pump."))
    {
        Endpoint = _endpoint,
        Sequence = sequence + 1,
        RecoversByItself = true,
    };
}
