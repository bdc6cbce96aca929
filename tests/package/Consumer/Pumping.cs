using BulkIn.Testing;

namespace BulkIn.Consumer;

/// <summary>The pump drains while nobody reads; then each full mode.</summary>
internal static class Pumping
{
    private const int Packets = 100;

    public static async Task RunAsync()
    {
        (int read, long dropped) = await DrainAsync(Packets, BulkInPumpFullMode.Wait);
        Expect.That((read, dropped) == (Packets, 0), $"{Packets} packets that nobody had read, not {read} and {dropped} dropped");
        foreach (BulkInPumpFullMode mode in (BulkInPumpFullMode[])[BulkInPumpFullMode.DropOldest, BulkInPumpFullMode.DropNewest, BulkInPumpFullMode.DropWrite])
        {
            (read, dropped) = await DrainAsync(10, mode);
            Expect.That((read, dropped) == (10, Packets - 10), $"10 packets kept in {mode}, not {read} and {dropped} dropped");
        }

        await Expect.FaultAsync(BulkInError.PumpOverrun, () => DrainAsync(10, BulkInPumpFullMode.Fault));
    }

    private static async Task<(int Read, long Dropped)> DrainAsync(int capacity, BulkInPumpFullMode mode)
    {
        using SimulatedEndpoint device = new();
        await using BulkInQueue queue = device.OpenQueue(new BulkInQueueOptions { Depth = 2 });
        await using BulkInPump pump = queue.StartPump(capacity, mode);
        for (byte i = 0; i < Packets; i++)
        {
            device.Deliver([i]);
        }

        // Every packet left the device, though nobody read one.
        int expected = mode == BulkInPumpFullMode.Fault ? 11 : Math.Min(capacity, Packets);
        using CancellationTokenSource bound = new(TimeSpan.FromSeconds(30));
        while (pump.Reader.Count + pump.Dropped < (mode == BulkInPumpFullMode.Fault ? expected : Packets))
        {
            await Task.Delay(1, bound.Token);
        }

        await pump.StopAsync();
        int read = 0;
        byte last = 0;
        await foreach (BulkInLease packet in pump.Reader.ReadAllAsync())
        {
            using (packet)
            {
                Expect.That(read == 0 || packet.Span[0] > last, "packets in order");
                last = packet.Span[0];
                read++;
            }
        }

        return (read, pump.Dropped);
    }
}
