using BulkIn.Testing;

namespace BulkIn.Consumer;

/// <summary>The receive calls: data, the rest of a transfer, a timeout, polling, dropping, stopping.</summary>
internal static class Receiving
{
    public static async Task RunAsync()
    {
        using SimulatedEndpoint device = new();
        await using BulkInQueue queue = device.OpenQueue(new BulkInQueueOptions { Depth = 4, BufferLength = 1024 });
        byte[] destination = new byte[2];

        device.Deliver([1, 2, 3]);
        BulkInResult first = await queue.RecvAsync(destination, TimeSpan.FromSeconds(10));
        Expect.That(first is { IsData: true, Length: 2, Remaining: 1, EndOfMessage: false } && destination is [1, 2], $"the first two bytes, not {first}");
        BulkInResult rest = await queue.RecvAsync(destination);
        Expect.That(rest is { Length: 1, Remaining: 0, EndOfMessage: true, Sequence: 0 } && destination[0] == 3, $"the rest, not {rest}");

        BulkInResult nothing = await queue.RecvAsync(destination, TimeSpan.FromMilliseconds(1));
        Expect.That(nothing.Status == BulkInStatus.TimedOut, $"a timeout, not {nothing}");
        Expect.That(!queue.TryRecv(destination, out _), "nothing to poll");

        device.Deliver([4]);
        Expect.That(queue.Recv(destination, TimeSpan.FromSeconds(10)).Length == 1 && destination[0] == 4, "a byte on a blocked thread");
        device.Deliver([5]);
        Expect.That(queue.TryRecv(destination, out BulkInResult polled) && polled.Length == 1, "a byte by polling");
        device.Deliver([6, 7]);
        Expect.That(queue.Discard() == 2, "two bytes dropped");

        using CancellationTokenSource cancel = new();
        ValueTask<BulkInResult> pending = queue.RecvAsync(destination, cancel.Token);
        await cancel.CancelAsync();
        try
        {
            _ = await pending;
            Expect.That(false, "a cancellation");
        }
        catch (OperationCanceledException)
        {
            device.Deliver([8]);
            Expect.That((await queue.RecvAsync(destination)).Length == 1, "what the cancelled wait left");
        }

        await queue.StopAsync();
        Expect.That((await queue.RecvAsync(destination)).Status == BulkInStatus.Stopped, "the end after a stop");
        Expect.That(queue.Statistics is { Transfers: 5, Bytes: 8, BytesDiscarded: 2, Starvations: 0 }, $"the counters, not {queue.Statistics}");
    }
}
