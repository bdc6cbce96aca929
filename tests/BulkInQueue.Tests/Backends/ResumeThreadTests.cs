using BulkIn.Backends;
using Xunit;

namespace BulkIn.Tests.Backends;

public sealed class ResumeThreadTests
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);

    private readonly ResumeThread _thread = new("resume");

    [Fact]
    public async Task TryRun_SeveralOneAfterTheOther_RunsEachOnOneThreadOutsideThePool()
    {
        List<Thread> ran = [];
        for (int i = 0; i < 100; i++)
        {
            var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            RunWhenFree(() =>
            {
                ran.Add(Thread.CurrentThread);
                Assert.False(Thread.CurrentThread.IsThreadPoolThread, "A continuation ran on a pool thread.");
                done.SetResult();
            });
            await done.Task.WaitAsync(Bound);
        }

        Assert.Equal(100, ran.Count);
        _ = Assert.Single(ran.Distinct());
        _thread.End();
        Assert.True(ran[0].Join(Bound), "The thread did not end.");
    }

    [Fact]
    public async Task TryRun_ContinuationBlocks_IsRefusedUntilItReturns()
    {
        using var door = new ManualResetEventSlim();
        var inside = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        RunWhenFree(() =>
        {
            inside.SetResult();
            Assert.True(door.Wait(Bound), "Nobody opened the door.");
        });
        await inside.Task.WaitAsync(Bound);

        Assert.False(_thread.TryRun(new Wake(() => Assert.Fail("It was refused."))), "A thread that is in user code took a continuation, which would wait for that code.");

        door.Set();
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        RunWhenFree(done.SetResult);
        await done.Task.WaitAsync(Bound);
        _thread.End();
    }

    [Fact]
    public async Task TryRun_ContinuationLeftContextsOnTheThread_NextFindsNone()
    {
        var local = new AsyncLocal<string>();
        RunWhenFree(() =>
        {
            local.Value = "left behind";
            SynchronizationContext.SetSynchronizationContext(new SynchronizationContext());
        });

        var found = new TaskCompletionSource<(string?, SynchronizationContext?)>(TaskCreationOptions.RunContinuationsAsynchronously);
        RunWhenFree(() => found.SetResult((local.Value, SynchronizationContext.Current)));

        Assert.Equal((null, null), await found.Task.WaitAsync(Bound));
        _thread.End();
    }

    [Fact]
    public async Task End_WhileAContinuationRuns_ThreadEndsAfterIt()
    {
        using var door = new ManualResetEventSlim();
        var inside = new TaskCompletionSource<Thread>(TaskCreationOptions.RunContinuationsAsynchronously);
        RunWhenFree(() =>
        {
            inside.SetResult(Thread.CurrentThread);
            Assert.True(door.Wait(Bound), "Nobody opened the door.");
        });
        Thread thread = await inside.Task.WaitAsync(Bound);

        _thread.End();
        Assert.True(thread.IsAlive, "The thread ended with a continuation on it.");
        door.Set();

        Assert.True(thread.Join(Bound), "The thread did not end after its continuation.");
    }

    [Fact]
    public async Task End_RightAfterTryRun_StillRunsIt()
    {
        for (int i = 0; i < 200; i++)
        {
            var thread = new ResumeThread("end");
            var ran = new TaskCompletionSource<Thread>(TaskCreationOptions.RunContinuationsAsynchronously);
            Assert.True(thread.TryRun(new Wake(() => ran.SetResult(Thread.CurrentThread))), "A new thread was not started.");
            thread.End();

            Assert.True((await ran.Task.WaitAsync(Bound)).Join(Bound), "The thread did not end.");
        }
    }

    private void RunWhenFree(Action continuation) =>
        Assert.True(SpinWait.SpinUntil(() => _thread.TryRun(new Wake(continuation)), Bound), "The thread did not get free.");

    private sealed class Wake(Action resumed) : IBurstWake
    {
        public IBurstWake? NextInBurst { get; set; }

        public void Signal(ResumeThread thread) => Assert.Fail("Nobody deferred it.");

        public void Resume() => resumed();
    }
}
