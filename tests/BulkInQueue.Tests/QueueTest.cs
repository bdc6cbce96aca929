using BulkIn.Testing;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace BulkIn;

/// <summary>One simulated endpoint and one queue on it; the end of the test frees both and looks for misuse and leaks.</summary>
public abstract class QueueTest : IAsyncLifetime
{
    private readonly List<BulkInQueue> _queues = [];

    protected FakeTimeProvider Time { get; } = new();

    protected SimulatedEndpoint Device { get; private set; } = null!;

    protected byte[] Destination { get; } = new byte[64 * 1024];

    public Task InitializeAsync()
    {
        Device = new SimulatedEndpoint(EndpointOptions);
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        foreach (BulkInQueue queue in _queues)
        {
            await queue.DisposeAsync().InTime();
        }

        Device.Dispose();
    }

    protected virtual SimulatedEndpointOptions EndpointOptions => new() { TimeProvider = Time };

    protected BulkInQueueOptions Defaults => new() { Depth = 4, BufferLength = 1024, SpareBuffers = 2, TimeProvider = Time };

    protected BulkInQueue Open(BulkInQueueOptions? options = null)
    {
        BulkInQueue queue = Device.OpenQueue(options ?? Defaults);
        _queues.Add(queue);
        return queue;
    }

    protected async Task<byte[]> ReceiveAsync(BulkInQueue queue)
    {
        BulkInResult result = await queue.RecvAsync(Destination).InTime();
        Assert.Equal(BulkInStatus.Data, result.Status);
        return Destination[..result.Length];
    }

    protected async Task<BulkInException> FaultAsync(BulkInQueue queue) =>
        await Assert.ThrowsAsync<BulkInException>(() => queue.RecvAsync(Destination).InTime("a receive that ends in a fault"));

    protected async Task StateAsync(BulkInQueue queue, BulkInState state)
    {
        using CancellationTokenSource bound = new(Bounded.Limit);
        while (queue.State != state)
        {
            Assert.False(bound.IsCancellationRequested, $"The queue is {queue.State}, and did not become {state} in time.\n{Device.Log}");
            await Task.Yield();
        }
    }

    /// <summary>Moves the clock until something happened that waits for it.</summary>
    protected async Task AdvanceUntilAsync(Func<bool> condition)
    {
        using CancellationTokenSource bound = new(Bounded.Limit);
        while (!condition())
        {
            Assert.False(bound.IsCancellationRequested, $"What the clock was moved for did not happen in time.\n{Device.Log}");
            Time.Advance(TimeSpan.FromMilliseconds(50));

            // No faster than threads can start and end: what waits for a thread must not time out before it ran.
            await Task.Factory.StartNew(static () => { }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }
    }
}
