using BulkIn.Backends;
using BulkIn.Testing;
using Xunit;

namespace BulkIn;

/// <summary>What the tests of faults share.</summary>
public abstract class FaultTest : QueueTest
{
    protected static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    protected BulkInQueueOptions Manual => Defaults with { Recovery = BulkInRecovery.Manual };

    protected int Count(SimulatedEventKind kind) => Device.Log.OfKind(kind).Count;

    protected async Task DataAsync(BulkInQueue queue, params byte[] expected) => Assert.Equal(expected, await ReceiveAsync(queue));

    protected async Task FaultAsync(BulkInQueue queue, BulkInError error) => Assert.Equal(error, (await FaultAsync(queue)).Error);

    protected async Task NothingAsync(BulkInQueue queue) =>
        Assert.Equal(BulkInStatus.TimedOut, (await queue.RecvAsync(Destination, TimeSpan.Zero).InTime()).Status);

    /// <summary>The queue runs at full depth and data goes through it.</summary>
    protected async Task WorksAsync(BulkInQueue queue)
    {
        await StateAsync(queue, BulkInState.Running);
        Device.Deliver([42, 43]);
        await DataAsync(queue, 42, 43);
        Assert.Equal(queue.Depth, Device.Posted);
    }

    /// <summary>The device is gone: for this receive, for each after it, and for the verbs; nothing is posted.</summary>
    protected async Task GoneAsync(BulkInQueue queue)
    {
        await StateAsync(queue, BulkInState.Gone);
        long submissions = Device.Submissions;
        for (int i = 0; i < 3; i++)
        {
            BulkInException gone = await FaultAsync(queue);
            Assert.Equal((BulkInError.DeviceGone, true, false), (gone.Error, gone.IsTerminal, gone.RecoversByItself));
        }

        Assert.Equal(BulkInError.DeviceGone, (await Assert.ThrowsAsync<BulkInException>(() => queue.RecoverAsync().InTime())).Error);
        Assert.Equal((0, submissions), (Device.Posted, Device.Submissions));
    }

    /// <summary>Nothing is submitted any more, however far the clock is moved.</summary>
    protected void Quiet()
    {
        long submissions = Device.Submissions;
        int clears = Count(SimulatedEventKind.ClearHaltRequested);
        int probes = Count(SimulatedEventKind.ProbeRequested);
        Time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal((submissions, clears, probes), (Device.Submissions, Count(SimulatedEventKind.ClearHaltRequested), Count(SimulatedEventKind.ProbeRequested)));
    }

    protected async Task RecoveredAsync(BulkInQueue queue, long count = 1)
    {
        await UntilAsync(() => queue.Statistics.Recoveries == count, $"{count} recoveries");
        await StateAsync(queue, BulkInState.Running);
    }

    /// <summary>Moves the clock, until the task ends.</summary>
    protected async Task ClockUntilAsync(Task task)
    {
        await ClockUntilAsync(() => task.IsCompleted);
        await task;
    }

    /// <summary>Moves the clock until something is so, no faster than threads can start and end: what waits for a thread must not time out before it ran.</summary>
    protected Task ClockUntilAsync(Func<bool> condition) => UntilAsync(
        () =>
        {
            bool holds = condition();
            Time.Advance(holds ? TimeSpan.Zero : TimeSpan.FromMilliseconds(50));
            return holds;
        },
        "what the clock was moved for");

    protected async Task UntilAsync(Func<bool> condition, string what)
    {
        using CancellationTokenSource bound = new(Bounded.Limit);
        while (!condition())
        {
            Assert.False(bound.IsCancellationRequested, $"This did not come in time: {what}.\n{Device.Log}");
            await Task.Factory.StartNew(static () => { }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }
    }

    /// <summary>The control asked for so many cancels and each of them has returned.</summary>
    protected Task CancelledAsync(int count) => Device.WaitUntilAsync(d => d.Log.OfKind(SimulatedEventKind.CancelAnswered).Count == count);

    protected static SimulatedCancel Lost => new() { Outcome = CancelOutcome.Lost };

    protected static SimulatedCancel Late => new() { Outcome = CancelOutcome.Late };

    protected static BackendResult Of(BackendStatus status) => SimulatedResults.Of(status);
}
