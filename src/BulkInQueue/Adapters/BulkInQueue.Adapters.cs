using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using BulkIn.Adapters;
using BulkIn.Core;

namespace BulkIn;

/// <content>The queue in the shapes that .NET code already reads from. Each is a consumer view: one at a time.</content>
public sealed partial class BulkInQueue
{
    /// <summary>The longest message that <see cref="ReadMessageAsync(IBufferWriter{byte}, CancellationToken)"/> accepts: 16 MiB, above a camera's frame, below what a device gone
    /// mad may cost a process.</summary>
    public const long DefaultMaximumMessageLength = 16 * 1024 * 1024;

    /// <summary>Every transfer, in order and without a copy: <c>await foreach (var packet in queue.ReadAllAsync(token))</c>.</summary>
    /// <remarks>
    /// <para>A packet is valid until the next step: then its buffer goes back to the queue. Disposing of it earlier returns it earlier; leaving the loop in whatever way returns it
    /// and gives up the queue. Zero-length packets are packets.</para>
    /// <para>The sequence ends when the queue was stopped or the device unplugged, after everything that had arrived. Any other fault is thrown at its position and
    /// ends this enumeration, but not the queue: enumerate again and it goes on behind the fault (at once when
    /// <see cref="BulkInException.RecoversByItself"/>, otherwise after <see cref="RecoverAsync"/>). Disposing of the queue throws <see cref="ObjectDisposedException"/>, because it drops
    /// what was not read; stop the queue to end its consumer in order.</para>
    /// </remarks>
    /// <param name="cancellationToken">Ends the wait with <see cref="OperationCanceledException"/>; no transfer is cancelled and no byte lost.</param>
    /// <returns>The sequence. The first step claims the queue.</returns>
    /// <exception cref="InvalidOperationException">At the first step: something else has the queue.</exception>
    public async IAsyncEnumerable<BulkInLease> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using ConsumerView view = Claim("an enumeration (ReadAllAsync)", "leave its await foreach");
        while (true)
        {
            BulkInLease packet;
            try
            {
                packet = await view.LeaseAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (BulkInException fault) when (fault.IsUnplug())
            {
                yield break;
            }

            if (!packet.IsData)
            {
                yield break;
            }

            using (packet)
            {
                yield return packet;
            }
        }
    }

    /// <summary>The bytes as a <see cref="PipeReader"/>, without a copy: the segments of its buffers are the buffers that the transfers were received into.</summary>
    /// <remarks>
    /// <para>It is a stream of bytes: packet boundaries do not show, zero-length packets are skipped. Each read brings one more transfer. Advancing past a
    /// transfer's bytes returns its buffer, and its slot is posted again. A parser may leave any number of bytes unconsumed: the reader keeps at most
    /// <see cref="BulkInQueueOptions.SpareBuffers"/> - 1 transfers' buffers while it waits for more and moves older bytes to pooled memory, so that with one spare buffer or
    /// more it never costs posted depth, and never waits for a transfer that it keeps from being posted.</para>
    /// <para>Reads complete (<see cref="ReadResult.IsCompleted"/>) when the queue was stopped or the device unplugged. Any other fault is thrown by the read that
    /// needs more than arrived before it. The unconsumed bytes stay: the next read returns them at once, and only the one after it, if it is asked for more, goes on
    /// behind the gap (at once when <see cref="BulkInException.RecoversByItself"/>, otherwise after <see cref="RecoverAsync"/>). A parser that cannot go on across a gap drops them: after
    /// the exception, <c>if (reader.TryRead(out var rest)) reader.AdvanceTo(rest.Buffer.End)</c>.</para>
    /// <para>Completing the reader gives up the queue, which stays open; bytes read but not consumed are dropped then and counted in
    /// <see cref="BulkInStatistics.BytesDiscarded"/>. Apart from <see cref="PipeReader.CancelPendingRead"/> and <see cref="PipeReader.Complete"/>, its members are for one
    /// thread at a time.</para>
    /// </remarks>
    /// <returns>The reader. It has the queue until it is completed.</returns>
    /// <exception cref="InvalidOperationException">Something else has the queue, or a receive is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The queue was disposed of.</exception>
    [SuppressMessage("Reliability", "CA2000", Justification = "The reader gives the view up.")]
    public PipeReader AsPipeReader() => new QueuePipeReader(Claim("a pipe reader (AsPipeReader)", "complete the PipeReader"), Math.Max(0, _spareBuffers - 1), BufferLength);

    /// <summary>The bytes as a <see cref="Stream"/> to read from, with one copy, straight from the transfer into the caller's memory.</summary>
    /// <remarks>
    /// Zero-length packets are skipped; a read answers 0 only at the end: when the queue was stopped or the device unplugged. Any other fault is thrown at its position, and a
    /// later read goes on behind it. Synchronous reads block the calling thread without the thread pool's help. Disposing of the stream gives up the queue, which
    /// stays open; nothing is lost, because a transfer read in part stays in the queue.
    /// </remarks>
    /// <returns>The stream. It has the queue until it is disposed of.</returns>
    /// <exception cref="InvalidOperationException">Something else has the queue, or a receive is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The queue was disposed of.</exception>
    [SuppressMessage("Reliability", "CA2000", Justification = "The stream gives the view up.")]
    public Stream AsStream() => new QueueStream(Claim("a stream (AsStream)", "dispose of the Stream"));

    /// <summary>Reads one message: transfers up to and including the first that ends in a short or a zero-length packet.</summary>
    /// <remarks>
    /// <para>A message ends where the device marks its end. One whose length is an exact multiple of the max packet size needs a zero-length packet after it; with it, the
    /// message ends there and nothing is added. A device that sends none leaves no mark at all, neither here nor on the bus, and what follows counts as the same message: read
    /// such a device by its own length fields (<see cref="AsPipeReader"/>).</para>
    /// <para>The bytes go to the writer as they arrive, so whatever ends the call early leaves the beginning of a message there. Timed out, or cancelled: call again with the
    /// same writer, and the message goes on. Stopped: the device's last message stays incomplete. A fault inside a message
    /// is thrown at its position: the message has a gap there, so drop what was written; the next call starts behind the fault. Too long
    /// (<see cref="BulkInError.MessageTooLong"/>): the transfers that fitted were written, the one that did not is still in the queue, so another call reads the rest.</para>
    /// <para>An unplug is thrown here (<see cref="BulkInError.DeviceGone"/>), because a message is a unit and its end did not come.</para>
    /// </remarks>
    /// <param name="writer">Where the bytes go.</param>
    /// <param name="maximumLength">The most bytes that this call writes; 0 or more.</param>
    /// <param name="timeout">How long to wait for the whole message, as for <see cref="RecvAsync(Memory{byte}, TimeSpan, CancellationToken)"/>; <see cref="TimeSpan.Zero"/> takes what has arrived.</param>
    /// <param name="cancellationToken">Ends the wait; no transfer is cancelled and no byte lost.</param>
    /// <returns>A whole message, or the part of one that came before the timeout or the stop.</returns>
    /// <exception cref="ArgumentException"><paramref name="writer"/> is null, <paramref name="maximumLength"/> negative, or <paramref name="timeout"/> negative and not infinite.</exception>
    /// <exception cref="InvalidOperationException">Something else has the queue, or a receive is in progress.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="BulkInException">A fault at its position in the stream, or a message above the limit.</exception>
    /// <exception cref="ObjectDisposedException">The queue was disposed of, before or during the wait.</exception>
    public ValueTask<BulkInMessage> ReadMessageAsync(IBufferWriter<byte> writer, long maximumLength, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentOutOfRangeException.ThrowIfNegative(maximumLength);
        timeout = ReceiveTimeout.Check(timeout);
        ConsumerView view = Claim("a message in progress (ReadMessageAsync)", "await it");
        return MessageCollector.CollectAsync(view, writer, maximumLength, timeout, _receiver.Time, Endpoint, cancellationToken);
    }

    /// <summary>Reads one message of at most <see cref="DefaultMaximumMessageLength"/> bytes, waiting for as long as it takes.</summary>
    /// <inheritdoc cref="ReadMessageAsync(IBufferWriter{byte}, long, TimeSpan, CancellationToken)"/>
    public ValueTask<BulkInMessage> ReadMessageAsync(IBufferWriter<byte> writer, CancellationToken cancellationToken = default) =>
        ReadMessageAsync(writer, DefaultMaximumMessageLength, Timeout.InfiniteTimeSpan, cancellationToken);

    /// <summary>
    /// Drains the endpoint on a thread of its own into a bounded channel, so that a device can send while nobody reads: during a handshake, or while the driver is
    /// blocked in an OUT transfer.
    /// </summary>
    /// <param name="capacity">Packets that may wait in the channel, at least 1; default 256. Each costs pooled memory of its own length, not of a buffer's: at most capacity ×
    /// <see cref="BufferLength"/> bytes.</param>
    /// <param name="fullMode">What happens to a packet that arrives beyond that.</param>
    /// <returns>The pump, at work. It has the queue until it ends.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="capacity"/> is less than 1, or <paramref name="fullMode"/> is undefined.</exception>
    /// <exception cref="InvalidOperationException">Something else has the queue, or a receive is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The queue was disposed of.</exception>
    public BulkInPump StartPump(int capacity = 256, BulkInPumpFullMode fullMode = BulkInPumpFullMode.Wait)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        if (!Enum.IsDefined(fullMode))
        {
            throw new ArgumentOutOfRangeException(nameof(fullMode), fullMode, "The full mode must be a defined value.");
        }

        ConsumerView view = Claim("a pump (StartPump)", "stop the pump and await its end");
        return new BulkInPump(view, capacity, fullMode, Endpoint, _logger, _name);
    }

    private ConsumerView Claim(string name, string ending)
    {
        ConsumerView view = new(_receiver, name, ending);
        _receiver.Claim(view);
        return view;
    }
}
