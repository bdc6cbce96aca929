using BulkIn.Testing;

namespace BulkIn.Consumer;

/// <summary>A stream over zero-length packets to the end, asynchronous and not.</summary>
internal static class Streaming
{
    public static async Task RunAsync()
    {
        using SimulatedEndpoint device = new();
        await using BulkInQueue queue = device.OpenQueue();
        device.Deliver([]);
        device.Deliver([1, 2, 3]);
        device.Deliver([]);
        device.Deliver([4, 5]);
        await queue.StopAsync();

        await using Stream stream = queue.AsStream();
        Expect.That(stream.ReadByte() == 1, "the first byte");
        using MemoryStream copy = new();
        await stream.CopyToAsync(copy);
        Expect.That(copy.ToArray() is [2, 3, 4, 5], "the other bytes, and only then the end");
        Expect.That(await stream.ReadAsync(new byte[1]) == 0, "the end again");
    }
}
