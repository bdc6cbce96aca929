using BulkIn.Backends;
using BulkIn.Core;
using Xunit;

namespace BulkIn;

/// <summary>The wait and those who end it, standing inside of a burst of completions: the transport has reported one and does not return yet.</summary>
public sealed class ReaderSignalTests
{
    private readonly ReaderSignal _signal = new();
    private readonly CompletionBurst _burst = new(new ResumeThread("burst"));

    [Fact]
    public async Task WakeAfterBurst_InsideABurst_EndsTheWaitAtItsEnd()
    {
        _signal.Arm(blocking: false);
        Task<WakeReason> wait = _signal.WaitAsync().AsTask();
        InBurst(() =>
        {
            _signal.WakeAfterBurst();
            Assert.False(wait.IsCompleted, "The reader was woken inside of the burst, with whose rest it contends.");
        });

        Assert.Equal(WakeReason.Changed, await wait.InTime());
    }

    [Fact]
    public async Task WakeAfterBurst_NoBurst_EndsTheWaitAtOnce()
    {
        _signal.Arm(blocking: false);
        Task<WakeReason> wait = _signal.WaitAsync().AsTask();
        _signal.WakeAfterBurst();
        Assert.Equal(WakeReason.Changed, await wait.InTime());
    }

    [Theory]
    [InlineData((int)WakeReason.Timeout)]
    [InlineData((int)WakeReason.Canceled)]
    [InlineData((int)WakeReason.Closed)]
    public async Task Wake_TransportDoesNotReturnFromABurst_EndsTheWaitMeanwhile(int reason)
    {
        _signal.Arm(blocking: false);
        Task<WakeReason> wait = _signal.WaitAsync().AsTask();
        Task<WakeReason>? next = null;
        InBurst(() =>
        {
            _signal.WakeAfterBurst();
            _signal.Wake((WakeReason)reason);
#pragma warning disable xUnit1031, VSTHRD002 // The burst belongs to this thread.
            Assert.True(wait.Wait(Bounded.Limit), "A wait that somebody else ends waited for the transport to return.");
#pragma warning restore xUnit1031, VSTHRD002
            _signal.Arm(blocking: false);
            next = _signal.WaitAsync().AsTask();
        });

        Assert.Equal((WakeReason)reason, await wait);
        Assert.False(next!.IsCompleted, "The end of a burst ended a wait that began after its wake was asked for.");
        _signal.Wake(WakeReason.Changed);
        Assert.Equal(WakeReason.Changed, await next.InTime());
    }

    [Fact]
    public async Task WakeAfterBurst_ReaderWaitsAgainWithinTheBurst_EndsThatWaitToo()
    {
        _signal.Arm(blocking: false);
        Task<WakeReason> wait = _signal.WaitAsync().AsTask();
        Task<WakeReason>? next = null;
        InBurst(() =>
        {
            _signal.WakeAfterBurst();
            _signal.Wake(WakeReason.Timeout);
#pragma warning disable xUnit1031, VSTHRD002 // The burst belongs to this thread.
            Assert.True(wait.Wait(Bounded.Limit), "A wait that somebody else ends waited for the transport to return.");
#pragma warning restore xUnit1031, VSTHRD002
            _signal.Arm(blocking: false);
            next = _signal.WaitAsync().AsTask();
            _signal.WakeAfterBurst();
        });

        Assert.Equal(WakeReason.Changed, await next!.InTime());
    }

    [Fact]
    public void Block_CompletionInsideABurst_EndsAtItsEnd()
    {
        _signal.Arm(blocking: true);
        WakeReason reason = default;
        Thread reader = new(() => reason = _signal.Block(Timeout.InfiniteTimeSpan)) { IsBackground = true };
        reader.Start();
        InBurst(_signal.WakeAfterBurst);

        Assert.True(reader.Join(Bounded.Limit), "The end of the burst did not wake the blocked reader.");
        Assert.Equal(WakeReason.Changed, reason);
    }

    [Fact]
    public void Block_TransportDoesNotReturnFromABurst_EndsAtItsLimit()
    {
        using ManualResetEventSlim deferred = new(), mayReturn = new();
        _signal.Arm(blocking: true);
        Thread events = new(() => InBurst(() =>
        {
            _signal.WakeAfterBurst();
            deferred.Set();
            mayReturn.Wait(Bounded.Limit);
        }));
        events.Start();
        Assert.True(deferred.Wait(Bounded.Limit), "The burst never began.");

        WakeReason reason = default;
        Thread reader = new(() => reason = _signal.Block(TimeSpan.FromMilliseconds(1)));
        reader.Start();
        bool ended = reader.Join(Bounded.Limit / 2);
        mayReturn.Set();
        Assert.True(events.Join(Bounded.Limit), "The burst never ended.");

        Assert.True(ended, "A blocked reader waited beyond its limit for the transport to return.");
        Assert.Equal(WakeReason.Timeout, reason);

        // The burst's end, which came too late for that wait, must not have left a wake behind for the next.
        _signal.Arm(blocking: true);
        Assert.Equal(WakeReason.Timeout, _signal.Block(TimeSpan.FromMilliseconds(1)));
    }

    private void InBurst(Action callbacks)
    {
        _burst.Begin();
        try
        {
            callbacks();
        }
        finally
        {
            _burst.End();
        }
    }
}
