using System.Buffers;
using System.Globalization;
using System.Runtime.CompilerServices;
using BulkIn.Core;

namespace BulkIn.Adapters;

/// <summary>Collects transfers up to the end of a message. A transfer is looked at before it is taken, so that one above the limit stays in the queue.</summary>
internal static class MessageCollector
{
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public static async ValueTask<BulkInMessage> CollectAsync(
        ConsumerView view,
        IBufferWriter<byte> writer,
        long maximumLength,
        TimeSpan timeout,
        TimeProvider time,
        byte endpoint,
        CancellationToken cancellationToken)
    {
        // However it ends, the queue is free then.
        using ConsumerView claim = view;
        long start = timeout == Timeout.InfiniteTimeSpan ? 0 : time.GetTimestamp();
        long length = 0;
        int transfers = 0;
        BulkInResult last = default;
        while (true)
        {
            TimeSpan left = timeout == Timeout.InfiniteTimeSpan || timeout == TimeSpan.Zero ? timeout : Left(timeout, time.GetElapsedTime(start));
            BulkInResult transfer = await view.RecvAsync(Memory<byte>.Empty, left, cancellationToken).ConfigureAwait(false);
            if (!transfer.IsData)
            {
                return new BulkInMessage(transfer.Status, length, transfers, last.Sequence, last.Timestamp);
            }

            if (length + transfer.Remaining > maximumLength)
            {
                throw TooLong(maximumLength, transfer, endpoint);
            }

            if (transfer.Remaining > 0)
            {
                // The look left the bytes with the reader, so this ends at once.
                Memory<byte> room = writer.GetMemory(transfer.Remaining)[..transfer.Remaining];
                transfer = await view.RecvAsync(room, TimeSpan.Zero, CancellationToken.None).ConfigureAwait(false);
                writer.Advance(transfer.Length);
            }

            last = transfer;
            length += transfer.Length;
            transfers++;
            if (transfer.EndOfMessage)
            {
                return new BulkInMessage(BulkInStatus.Data, length, transfers, last.Sequence, last.Timestamp);
            }
        }
    }

    private static TimeSpan Left(TimeSpan timeout, TimeSpan elapsed) => elapsed < timeout ? timeout - elapsed : TimeSpan.Zero;

    private static BulkInException TooLong(long maximumLength, in BulkInResult transfer, byte endpoint) => new(
        BulkInError.MessageTooLong,
        string.Create(
            CultureInfo.InvariantCulture,
            $"Endpoint 0x{endpoint:X2}: a message is longer than the limit of {maximumLength} bytes. The transfers that fitted were written; the rest is still in the queue. Raise the limit, or read on to the end of the message."))
    {
        Endpoint = endpoint,
        Sequence = transfer.Sequence,
        RecoversByItself = true,
    };
}
