using BulkIn.Soak;
using Xunit;

namespace BulkIn.KernelBenchTests;

public sealed class FootprintTests
{
    // Many beside what else the pool may do meanwhile.
    private const int Workers = 40;
    private const int Noise = 10;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Fact]
    public void Take_PoolThreads_CountWhileTheyWorkAndNotWhileTheyIdle()
    {
        ThreadPool.GetMinThreads(out int least, out int leastForPorts);
        int before = Footprint.Take().Threads;
        using ManualResetEventSlim release = new();
        using CountdownEvent arrived = new(Workers);
        Footprint idle = default;
        try
        {
            _ = ThreadPool.SetMinThreads(least + Workers, leastForPorts);
            for (int i = 0; i < Workers; i++)
            {
                _ = ThreadPool.UnsafeQueueUserWorkItem(
                    _ =>
                    {
                        _ = arrived.Signal();
                        release.Wait();
                    },
                    null);
            }

            Assert.True(arrived.Wait(Limit), "The pool starts no threads.");
            Footprint working = Footprint.Take();
            Assert.True(working.Threads >= before + Workers - Noise, $"{Workers} blocked threads of the pool, {before} others, and this was seen: {working}");

            release.Set();
            bool isOver = SpinWait.SpinUntil(() => (idle = Footprint.Take()).Threads <= before + Noise, Limit);
            Assert.True(isOver, $"The threads have nothing to do any more, and this was seen: {idle}");
        }
        finally
        {
            release.Set();
            _ = ThreadPool.SetMinThreads(least, leastForPorts);
        }

        // They are still there: the runtime ends them one after the other, later.
        Assert.True(idle.IdleThreads >= Workers / 2, $"This was seen: {idle}");
    }
}
