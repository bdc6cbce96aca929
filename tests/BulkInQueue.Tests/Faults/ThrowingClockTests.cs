using BulkIn.Backends;
using BulkIn.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Xunit;

namespace BulkIn;

/// <summary>A time provider that throws: the call that asked it ends with what it threw, and nothing is stuck or lost.</summary>
public sealed class ThrowingClockTests : FaultTest
{
    private readonly ThrowingClock _clock;

    public ThrowingClockTests()
    {
        _clock = new ThrowingClock(Time);
    }

    private BulkInQueueOptions Clocked => Defaults with { TimeProvider = _clock };

    [Theory]
    [FaultRow(86)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Receive_ReadingThrows_TheNextReceiveWorks(bool blocking)
    {
        BulkInQueue queue = Open(Clocked);
        _clock.ReadingsThrow = 1;

        await ReceiveThrowsAsync(queue, blocking);

        await WorksAsync(queue);
    }

    [Theory]
    [FaultRow(86)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Receive_TimerThrows_TheNextWaitsOfBothKindsWork(bool blocking)
    {
        BulkInQueue queue = Open(Clocked);
        _clock.TimersThrow = 1;

        await ReceiveThrowsAsync(queue, blocking);

        for (byte i = 0; i < 4; i++)
        {
            Task<BulkInResult> next = i % 2 == 0 ? queue.RecvAsync(Destination).AsTask() : Blocking(() => queue.Recv(Destination, Timeout.InfiniteTimeSpan));
            Device.Deliver([i]);
            Assert.Equal((1, i), ((await next.InTime()).Length, Destination[0]));
        }

        Task<BulkInResult> timed = queue.RecvAsync(Destination, 2 * Second).AsTask();
        Time.Advance(2 * Second);
        Assert.Equal(BulkInStatus.TimedOut, (await timed.InTime("a timeout whose timer replaces the one that threw")).Status);
    }

    [Fact]
    [FaultRow(86)]
    public async Task Recovery_TimerOfTheDrainThrows_RecoverAsyncTakesUpWhatCameBack()
    {
        BulkInQueue queue = Open(Clocked);
        Device.Cancels.Next(Late with { Data = new byte[] { 2 } }).Next(Late);
        _clock.TimersThrow = 1;
        Device.Deliver([1]);
        Device.StallOnce();
        await StateAsync(queue, BulkInState.Faulted);
        await FaultAsync(queue, BulkInError.Unknown);
        await CancelledAsync(2);
        Device.Release();

        await queue.RecoverAsync().InTime("a recovery after a drain that was cut short");

        await DataAsync(queue, 1);
        await FaultAsync(queue, BulkInError.Stall);
        await DataAsync(queue, 2);
        await WorksAsync(queue);
    }

    [Fact]
    [FaultRow(86)]
    public async Task RecoverAsync_WhatADrainLeftNeverComesBack_IsCompletionMissing()
    {
        BulkInQueue queue = Open(Clocked);
        Device.Cancels.Next(Lost);
        Device.AllowedLeaks = 1;
        _clock.TimersThrow = 1;
        await Assert.ThrowsAsync<InvalidDataException>(() => queue.PauseAsync().InTime());
        await StateAsync(queue, BulkInState.Faulted);

        Task recovered = queue.RecoverAsync();
        await ClockUntilAsync(() => recovered.IsCompleted);

        Assert.Equal(BulkInError.CompletionMissing, (await Assert.ThrowsAsync<BulkInException>(() => recovered)).Error);
        Assert.Equal(BulkInState.Faulted, queue.State);
        Assert.Equal(BulkInError.CompletionMissing, (await Assert.ThrowsAsync<BulkInException>(() => queue.RecoverAsync().InTime())).Error);
        await ClockUntilAsync(queue.DisposeAsync().AsTask());
        Assert.Equal(1, queue.Statistics.Leaked);
    }

    [Fact]
    [FaultRow(86)]
    public async Task PauseAsync_TimerOfTheDrainThrows_ThrowsItAndTheQueueIsFaultedUntilRecovery()
    {
        FakeLogger logger = new();
        BulkInQueue queue = Open(Clocked with { Logger = logger });
        Device.Deliver([1, 2, 3]);
        await DataAsync(queue, 1, 2, 3);
        Device.Cancels.Next(Late, times: 4);
        _clock.TimersThrow = 1;

        await Assert.ThrowsAsync<InvalidDataException>(() => queue.PauseAsync().InTime());

        await StateAsync(queue, BulkInState.Faulted);
        BulkInException fault = await FaultAsync(queue);
        Assert.Equal((BulkInError.Unknown, 1L, 3L), (fault.Error, fault.Sequence, fault.BytePosition));
        Assert.Equal(LogLevel.Critical, Assert.Single(logger.Collector.GetSnapshot(), static r => r.Id.Id == 7).Level);
        await CancelledAsync(4);
        Device.Release();
        await queue.RecoverAsync().InTime("a recovery after a pause that was cut short");
        await WorksAsync(queue);
    }

    [Fact]
    [FaultRow(86)]
    public void Open_TimerOfTheWatchdogThrows_FreesAll()
    {
        using SimulatedEndpoint device = new(EndpointOptions with { Capabilities = BulkInCapabilities.OwnerMayClose });
        _clock.TimersThrow = 1;

        Assert.Throws<InvalidDataException>(() => device.OpenQueue(Clocked));

        Assert.Equal((0, true), (device.InFlight, device.IsBackendDisposed));
    }

    [Theory]
    [FaultRow(86)]
    [InlineData(int.MaxValue, 0)]
    [InlineData(0, int.MaxValue)]
    public async Task DisposeAsync_ClockThrows_FreesAll(int readings, int timers)
    {
        FakeLogger logger = new();
        BulkInQueue queue = Open(Clocked with { Logger = logger });
        SimulationGate gate = new();
        Device.Cancels.Next(new SimulatedCancel { Gate = gate });
        (_clock.ReadingsThrow, _clock.TimersThrow) = (readings, timers);

        Task disposed = queue.DisposeAsync().AsTask();
        await gate.WhenReachedAsync();
        gate.Open();
        await disposed.InTime();

        Assert.Equal((0, 0, true), (queue.Statistics.Leaked, Device.InFlight, Device.IsBackendDisposed));
        Assert.Contains(logger.Collector.GetSnapshot(), static r => r.Id.Id == 8 && r.Message.StartsWith(nameof(TimeProvider), StringComparison.Ordinal));
    }

    private async Task ReceiveThrowsAsync(BulkInQueue queue, bool blocking)
    {
        await Assert.ThrowsAsync<InvalidDataException>(async () =>
        {
            _ = blocking ? await Blocking(() => queue.Recv(Destination, Second)).InTime() : await queue.RecvAsync(Destination, Second).InTime();
        });
    }

    private static Task<BulkInResult> Blocking(Func<BulkInResult> receive) =>
        Task.Factory.StartNew(receive, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}
