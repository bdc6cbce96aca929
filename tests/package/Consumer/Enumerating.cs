using BulkIn.Testing;

namespace BulkIn.Consumer;

/// <summary><c>await foreach</c> over packets, to the unplug.</summary>
internal static class Enumerating
{
    public static async Task RunAsync()
    {
        using SimulatedEndpoint device = new();
        await using BulkInQueue queue = device.OpenQueue();
        for (byte i = 0; i < 20; i++)
        {
            device.Deliver([i]);
        }

        device.Deliver([]);
        int packets = 0;
        await foreach (BulkInLease packet in queue.ReadAllAsync())
        {
            Expect.That(packet.Sequence == packets && packet.EndOfMessage, $"packet {packets}, not {packet.Sequence}");
            Expect.That(packets == 20 ? packet.Length == 0 : packet.Span[0] == packets, $"the bytes of packet {packets}");
            packets++;
            if (packets == 21)
            {
                device.Unplug();
            }
        }

        Expect.That(packets == 21, $"21 packets, the zero-length one included, and a clean end, not {packets}");
    }
}
