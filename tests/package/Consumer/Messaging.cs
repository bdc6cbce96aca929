using System.Buffers;
using BulkIn.Testing;

namespace BulkIn.Consumer;

/// <summary>Messages: of several transfers, an exact multiple with its mark, an empty one, one above the limit.</summary>
internal static class Messaging
{
    public static async Task RunAsync()
    {
        using SimulatedEndpoint device = new();
        await using BulkInQueue queue = device.OpenQueue(new BulkInQueueOptions { BufferLength = 1024 });
        ArrayBufferWriter<byte> writer = new();

        device.Deliver(new byte[3000]);
        BulkInMessage message = await queue.ReadMessageAsync(writer);
        Expect.That(message is { IsComplete: true, Length: 3000, Transfers: 3 } && writer.WrittenCount == 3000, $"3000 bytes in 3 transfers, not {message}");

        device.Deliver(new byte[2048], zeroLengthPacket: true);
        message = await queue.ReadMessageAsync(writer);
        Expect.That(message is { IsComplete: true, Length: 2048, Transfers: 3 }, $"2048 bytes and their end mark, not {message}");

        device.Deliver([]);
        message = await queue.ReadMessageAsync(writer);
        Expect.That(message is { IsComplete: true, Length: 0 }, $"an empty message, not {message}");

        device.Deliver(new byte[1500]);
        await Expect.FaultAsync(BulkInError.MessageTooLong, () => queue.ReadMessageAsync(writer, 1100, TimeSpan.FromSeconds(10)).AsTask());
        message = await queue.ReadMessageAsync(writer);
        Expect.That(message is { IsComplete: true, Length: 476 }, $"the rest of it, not {message}");

        message = await queue.ReadMessageAsync(writer, 1000, TimeSpan.Zero);
        Expect.That(message is { Status: BulkInStatus.TimedOut, Length: 0 }, $"a timeout, not {message}");
    }
}
