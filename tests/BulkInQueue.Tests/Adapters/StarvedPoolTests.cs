using BulkIn.Testing;
using Xunit;

namespace BulkIn.Adapters;

/// <summary>The pump with every thread of the pool blocked: the case in which a deadlock would come back. Alone, because it takes the pool from everybody.</summary>
[Collection(nameof(RunsAlone))]
public sealed class StarvedPoolTests
{
    [Theory]
    [InlineData(BulkInPumpFullMode.Wait)]
    [InlineData(BulkInPumpFullMode.DropOldest)]
    public void StartPump_StarvedPool_KeepsDraining(BulkInPumpFullMode mode)
    {
        using SimulatedEndpoint device = new(new SimulatedEndpointOptions { CompletionThread = CompletionThread.Dedicated });
        BulkInQueue queue = device.OpenQueue(new BulkInQueueOptions { Depth = 2, BufferLength = 1024 });
        BulkInPump pump = queue.StartPump(8, mode);
        using (ThePool.Blocked())
        {
            // Far more than the slots and the channel hold, read on this thread, which is not the pool's.
            for (int i = 0; i < 200; i++)
            {
                device.Deliver([(byte)i]);
                Assert.True(
                    SpinWait.SpinUntil(() => pump.Reader.TryRead(out BulkInLease packet) && Same(packet, (byte)i), TimeSpan.FromSeconds(30)),
                    $"Packet {i} did not come through while the thread pool was starved.\n{device.Log.Describe(20)}");
            }

            for (int i = 0; i < 100; i++)
            {
                device.Deliver([(byte)i]);
            }

            if (mode == BulkInPumpFullMode.DropOldest)
            {
                Assert.True(
                    SpinWait.SpinUntil(() => device.WaitingMessages == 0 && pump.Dropped == 92, TimeSpan.FromSeconds(30)),
                    $"The endpoint was not drained while the thread pool was starved: {device.WaitingMessages} messages wait, {pump.Dropped} packets were dropped.");
            }
            else
            {
                for (int i = 0; i < 100; i++)
                {
                    Assert.True(
                        SpinWait.SpinUntil(() => pump.Reader.TryRead(out BulkInLease packet) && Same(packet, (byte)i), TimeSpan.FromSeconds(30)),
                        $"Packet {i} did not come through a full channel while the thread pool was starved.");
                }
            }

            Task stopping = pump.StopAsync();
            Assert.True(SpinWait.SpinUntil(() => stopping.IsCompleted, TimeSpan.FromSeconds(30)), "The pump did not stop while the thread pool was starved.");
        }

#pragma warning disable xUnit1031 // The pool is starved on purpose: an awaiting test would have nobody to resume it.
        Assert.True(queue.DisposeAsync().AsTask().Wait(TimeSpan.FromSeconds(30)), "The queue was not disposed of in time.");
#pragma warning restore xUnit1031
    }

    private static bool Same(BulkInLease packet, byte expected)
    {
        using (packet)
        {
            Assert.Equal(expected, packet.Span[0]);
        }

        return true;
    }

    /// <summary>Blocks every thread that the pool may have, and keeps it from having more.</summary>
    private sealed class ThePool : IDisposable
    {
        private readonly ManualResetEventSlim _release = new();
        private readonly int _maximum;
        private readonly int _maximumIo;

        private ThePool()
        {
            ThreadPool.GetMaxThreads(out _maximum, out _maximumIo);
            ThreadPool.GetMinThreads(out int least, out _);
            int threads = Math.Max(least, Environment.ProcessorCount);
            Assert.True(ThreadPool.SetMaxThreads(threads, _maximumIo), "The pool cannot be made smaller.");

            // One for each thread: those that are busy with something else, this test among them, take theirs when they are done.
            for (int i = 0; i < threads; i++)
            {
                ThreadPool.UnsafeQueueUserWorkItem(static pool => pool._release.Wait(), this, preferLocal: false);
            }

            Assert.True(SpinWait.SpinUntil(IsStarved, TimeSpan.FromSeconds(30)), "The pool could not be starved.");
        }

        public static ThePool Blocked() => new();

        public void Dispose()
        {
            // The event is left to the collector: the blocked still read it after it is set.
            _release.Set();
            Assert.True(ThreadPool.SetMaxThreads(_maximum, _maximumIo));
        }

        private static bool IsStarved()
        {
            ThreadPool.GetAvailableThreads(out int workers, out _);
            return workers <= 0;
        }
    }
}
