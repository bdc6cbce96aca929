using BulkIn.Backends;
using Xunit;

namespace BulkIn.Tests.Backends;

public sealed class CompletionBurstTests
{
    private readonly ResumeThread _thread = new("burst");

    [Fact]
    public void TryDefer_NoBurstOnThisThread_IsRefused()
    {
        var burst = new CompletionBurst(_thread);
        burst.Begin();
        bool deferred = true;
        var elsewhere = new Thread(() => deferred = CompletionBurst.TryDefer(new Wake()));
        elsewhere.Start();
        elsewhere.Join();
        burst.End();

        Assert.False(deferred, "A thread that handles no events deferred a wake, which nobody would do.");
        Assert.False(CompletionBurst.TryDefer(new Wake()), "A burst that ended took a wake.");
    }

    [Fact]
    public void End_SeveralDeferred_SignalsEachOnceInOrder()
    {
        List<int> signalled = [];
        Wake[] wakes = [.. Enumerable.Range(0, 3).Select(number => new Wake(() => signalled.Add(number)))];
        var burst = new CompletionBurst(_thread);

        burst.Begin();
        foreach (Wake wake in wakes)
        {
            Assert.True(CompletionBurst.TryDefer(wake), "An open burst refused a wake.");
        }

        Assert.Empty(signalled);
        burst.End();
        burst.Begin();
        burst.End();
        Assert.Equal([0, 1, 2], signalled);
    }

    [Fact]
    public void End_SignalledOneIsDeferredAgain_WaitsForItsNextBurst()
    {
        int signalled = 0;
        var burst = new CompletionBurst(_thread);
        var next = new CompletionBurst(_thread);
        Wake? again = null;
        again = new Wake(() =>
        {
            if (signalled++ == 0)
            {
                next.Begin();
                Assert.True(CompletionBurst.TryDefer(again!), "The next burst refused a wake.");
            }
        });

        burst.Begin();
        Assert.True(CompletionBurst.TryDefer(again), "An open burst refused a wake.");
        burst.End();

        Assert.Equal(1, signalled);
        next.End();
        Assert.Equal(2, signalled);
    }

    private sealed class Wake(Action? signalled = null) : IBurstWake
    {
        public IBurstWake? NextInBurst { get; set; }

        public void Signal(ResumeThread thread) => signalled?.Invoke();

        public void Resume() => Assert.Fail("Nobody handed it over.");
    }
}
