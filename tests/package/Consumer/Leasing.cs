using BulkIn.Testing;

namespace BulkIn.Consumer;

/// <summary>Zero copy: leases out at once, returned in another order.</summary>
internal static class Leasing
{
    public static async Task RunAsync()
    {
        using SimulatedEndpoint device = new();
        await using BulkInQueue queue = device.OpenQueue(new BulkInQueueOptions { Depth = 2, BufferLength = 1024, SpareBuffers = 2 });
        device.Deliver([1]);
        device.Deliver([2]);

        BulkInLease first = await queue.LeaseAsync();
        BulkInLease second = await queue.LeaseAsync(TimeSpan.FromSeconds(10));
        Expect.That(first.Span is [1] && second.Span is [2], "both leases' bytes");
        Expect.That(queue.Statistics is { Leases: 2, Posted: 2 }, $"every slot posted while the spares last, not {queue.Statistics}");
        second.Dispose();
        first.Dispose();
        Expect.That(queue.Statistics.Leases == 0, "no lease left");
        try
        {
            _ = first.Span;
            Expect.That(false, "a returned lease to refuse its bytes");
        }
        catch (ObjectDisposedException)
        {
            return;
        }
    }
}
