using BulkIn;
using BulkIn.Testing;

namespace Snippets;

/// <summary>The testing package's page.</summary>
internal static class Testing
{
    public static async Task DockAsync(byte[] command)
    {
        using SimulatedDock dock = new(new SimulatedDockOptions { FifoReplies = 2 });
        await dock.WriteAsync(command);
        await dock.WriteAsync(command);
        Task<bool> third = dock.WriteAsync(command, TimeSpan.FromSeconds(5));
        Console.WriteLine(dock.Diagnose());

        await using BulkInQueue queue = dock.Endpoint.OpenQueue();
        Console.WriteLine(await third);
    }

    public static async Task ReplayAsync()
    {
        CaptureReplay replay = CaptureReplay.Open("session.pcapng", new CaptureReplayOptions { Endpoint = 0x84 });
        await using BulkInQueue queue = BulkInQueue.Open(replay, new BulkInQueueOptions { BufferLength = replay.RecommendedBufferLength });
        await foreach (BulkInLease packet in queue.ReadAllAsync())
        {
            Console.WriteLine($"{packet.Sequence}: {Convert.ToHexString(packet.Span)}");
        }
    }
}
