using BulkIn.Backends;
using BulkIn.Testing;

namespace BulkIn.Consumer;

/// <summary>The rest of the testing package, and the seam.</summary>
internal static class Companions
{
    public static async Task RunAsync()
    {
        using (SimulatedDock dock = new(new SimulatedDockOptions { FifoReplies = 2 }))
        {
            Expect.That(await dock.WriteAsync(new byte[64], TimeSpan.FromSeconds(10)) && await dock.WriteAsync(new byte[64], TimeSpan.FromSeconds(10)), "two OUTs");
            Task<bool> third = dock.WriteAsync(new byte[64], TimeSpan.FromSeconds(60));
            Expect.That(!third.IsCompleted, "the third OUT to wait for a reader");
            await using BulkInQueue queue = dock.Endpoint.OpenQueue();
            Expect.That(await third, "the third OUT to go through once the queue is open");
        }

        VirtualClock clock = new();
        using (SimulatedEndpoint device = new(new SimulatedEndpointOptions { TimeProvider = clock }))
        {
            await using BulkInQueue queue = device.OpenQueue(new BulkInQueueOptions { TimeProvider = clock });
            ValueTask<BulkInResult> hour = queue.RecvAsync(new byte[64], TimeSpan.FromHours(1));
            clock.Advance(TimeSpan.FromHours(1));
            Expect.That((await hour).Status == BulkInStatus.TimedOut, "an hour to pass at once");
        }

        try
        {
            _ = CaptureReplay.Open("/nonexistent.pcap");
            Expect.That(false, "a missing capture to be an error");
        }
        catch (IOException)
        {
            // As it should be.
        }

        try
        {
            _ = BulkInQueue.Open(new NoEndpoint());
            Expect.That(false, "a backend for an OUT endpoint to be refused");
        }
        catch (ArgumentException)
        {
            return;
        }
    }

    /// <summary>A transport of one's own, as far as opening a queue on it.</summary>
    private sealed class NoEndpoint : IBulkInBackend
    {
        public BulkInEndpoint Endpoint { get; } = new(0x02, EndpointTransferType.Bulk, 512);

        public BulkInCapabilities Capabilities => BulkInCapabilities.None;

        public bool IsClosed => false;

        public TransferBuffer? AllocateBuffer(int length) => null;

        public IBulkInTransfer CreateTransfer(ITransferCompletion completion) => throw new NotSupportedException();

        public ValueTask<BackendResult> ClearHaltAsync() => default;

        public ValueTask<DevicePresence> ProbeAsync(TimeSpan bound) => new(DevicePresence.Present);

        public string? GetRemedy(BulkInError reported, BackendResult result) => null;

        public void Dispose()
        {
        }
    }
}
