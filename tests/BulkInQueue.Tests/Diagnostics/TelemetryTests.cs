using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using BulkIn.Backends;
using BulkIn.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Xunit;

namespace BulkIn.Diagnostics;

/// <summary>Meter, activities and log as an application sees them. Alone, because the meter sums every queue of the process.</summary>
[Collection(nameof(RunsAlone))]
public sealed class TelemetryTests : QueueTest
{
    private readonly FakeLogCollector _log = new();

    protected override SimulatedEndpointOptions EndpointOptions => base.EndpointOptions with { Address = 0x8F };

    [Fact]
    public async Task Meter_ReceivesAndFaults_AreCountedByOutcome()
    {
        using Readings readings = new();
        BulkInQueue queue = Open();
        Dictionary<string, double> before = readings.Take();
        Assert.Equal(4, before["bulk_in_queue.posted"]);
        Assert.Equal(1, before["bulk_in_queue.queues"]);

        Device.Deliver([1, 2, 3]);
        Device.Deliver([]);
        _ = await ReceiveAsync(queue);
        _ = await ReceiveAsync(queue);
        Device.Deliver([4]);
        Assert.Equal(1, queue.Discard());
        Device.Stall();
        _ = await FaultAsync(queue);
        await StateAsync(queue, BulkInState.Running);
        await AdvanceUntilAsync(() => Change(readings, before, "bulk_in_queue.faults{stall}") > 0);

        Assert.Equal(4, Change(readings, before, "bulk_in_queue.io"));
        Assert.Equal(1, Change(readings, before, "bulk_in_queue.discarded.io"));
        Assert.Equal(2, Change(readings, before, "bulk_in_queue.transfers{data}"));
        Assert.Equal(1, Change(readings, before, "bulk_in_queue.transfers{zero_length}"));
        Assert.Equal(4, Change(readings, before, "bulk_in_queue.transfers{stall}"));
        Assert.Equal(1, Change(readings, before, "bulk_in_queue.faults{stall}"));
        Assert.Equal(1, Change(readings, before, "bulk_in_queue.recoveries"));
        Assert.Equal(0, Change(readings, before, "bulk_in_queue.leaked"));
        Assert.Equal(0, Change(readings, before, "bulk_in_queue.posted"));
    }

    [Fact]
    public async Task Meter_FaultMetByAPause_IsCounted()
    {
        using Readings readings = new();
        BulkInQueue queue = Open();
        Dictionary<string, double> before = readings.Take();
        Device.Hooks.Cancelling = call =>
        {
            if (call.Slot == 3)
            {
                Device.StallOnce();
            }
        };

        await queue.PauseAsync().InTime();

        Assert.Equal(1, Change(readings, before, "bulk_in_queue.faults{stall}"));
    }

    [Fact]
    public async Task Meter_QueueClosed_KeepsWhatItCounted()
    {
        using Readings readings = new();
        BulkInQueue queue = Open();
        Dictionary<string, double> before = readings.Take();
        Device.Deliver([1, 2, 3]);
        _ = await ReceiveAsync(queue);

        await queue.DisposeAsync().InTime();

        Assert.Equal(3, Change(readings, before, "bulk_in_queue.io"));
        Assert.Equal(-1, Change(readings, before, "bulk_in_queue.queues"));
        Assert.Equal(-4, Change(readings, before, "bulk_in_queue.posted"));
    }

    [Fact]
    public void Meter_Instruments_AreNamedByTheConventions()
    {
        using Readings readings = new();
        _ = Open();
        readings.Take();

        Assert.All(readings.Instruments, static i =>
        {
            Assert.Matches("^bulk_in_queue(\\.[a-z_]+)+$", i.Name);
            Assert.Matches("^(By|s|\\{[a-z]+\\})$", i.Unit);
            Assert.False(string.IsNullOrEmpty(i.Description), $"{i.Name} has no description.");
            Assert.True(i.IsObservable, $"{i.Name} would cost something for each event.");
        });
        Assert.Equal(10, readings.Instruments.Count);
        Assert.Equal(["bulk_in_queue.transfer.outcome", "error.type", "usb.endpoint.address"], readings.Tags.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("stall", "recovered", "stall", ActivityStatusCode.Unset)]
    [InlineData("manual", "faulted", "stall", ActivityStatusCode.Error)]
    [InlineData("unplug", "gone", "device_gone", ActivityStatusCode.Error)]
    public async Task Activity_Recovery_SaysWhatItWasAndHowItEnded(string what, string outcome, string error, ActivityStatusCode status)
    {
        ConcurrentQueue<Activity> ended = new();
        using ActivityListener listener = new()
        {
            ShouldListenTo = static source => source.Name == "BulkInQueue",
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = ended.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        BulkInQueue queue = Open(Defaults with { Recovery = what == "manual" ? BulkInRecovery.Manual : BulkInRecovery.Automatic });

        if (what == "unplug")
        {
            Device.Unplug();
        }
        else
        {
            Device.Stall();
        }

        await AdvanceUntilAsync(() => !ended.IsEmpty);
        Activity recovery = Assert.Single(ended);
        Assert.Equal("bulk_in_queue.recovery", recovery.OperationName);
        Assert.Equal("0x8f", recovery.GetTagItem("usb.endpoint.address"));
        Assert.Equal(outcome, recovery.GetTagItem("bulk_in_queue.recovery.outcome"));
        Assert.Equal(error, recovery.GetTagItem("error.type"));
        Assert.Equal(status, recovery.Status);
        if (what == "manual")
        {
            await queue.RecoverAsync().InTime();
            await AdvanceUntilAsync(() => ended.Count == 2);
            Assert.Equal("recovered", ended.Last().GetTagItem("bulk_in_queue.recovery.outcome"));
        }
    }

    [Theory]
    [InlineData("sample")]
    [InlineData("started")]
    [InlineData("stopped")]
    public async Task Activity_ListenerThrows_TheQueueRecoversAllTheSame(string where)
    {
        int thrown = 0;
        using ActivityListener listener = new()
        {
            ShouldListenTo = static source => source.Name == "BulkInQueue",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => Answer("sample"),
            ActivityStarted = _ => Answer("started"),
            ActivityStopped = _ => Answer("stopped"),
        };
        ActivitySource.AddActivityListener(listener);
        BulkInQueue queue = Open();
        for (byte round = 1; round <= 2; round++)
        {
            Device.Stall();
            Assert.Equal(BulkInError.Stall, (await FaultAsync(queue)).Error);
            await AdvanceUntilAsync(() => queue.Statistics.Recoveries == round && Volatile.Read(ref thrown) == round);
            await StateAsync(queue, BulkInState.Running);
            Device.Deliver([round]);
            Assert.Equal([round], await ReceiveAsync(queue));
        }

        ActivitySamplingResult Answer(string at)
        {
            if (at == where)
            {
                Interlocked.Increment(ref thrown);
                throw new InvalidOperationException("The user's listener.");
            }

            return ActivitySamplingResult.AllData;
        }
    }

    [Fact]
    public void Meter_ListenerThrowsAtAnInstrument_TheOthersArePublished()
    {
        List<string> published = [];
        using Meter meter = new("BulkInQueue.OfThisTest");
        using MeterListener listener = new()
        {
            InstrumentPublished = (instrument, _) =>
            {
                if (instrument.Meter == meter)
                {
                    published.Add(instrument.Name);
                    throw new InvalidOperationException("The user's listener.");
                }
            },
        };
        listener.Start();

        QueueMeter.Publish(meter);

        Assert.Equal(10, published.Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public async Task Log_ManyTransfers_SaysNothingAboutThem()
    {
        BulkInQueue queue = Open(Defaults with { Logger = new FakeLogger(_log) });
        for (int i = 0; i < 1000; i++)
        {
            Device.Deliver([1]);
            _ = await ReceiveAsync(queue);
        }

        Assert.Equal((1, LogLevel.Debug), (Assert.Single(_log.GetSnapshot()).Id.Id, _log.LatestRecord.Level));
    }

    [Fact]
    public async Task Log_FaultAndRecovery_HaveFixedIds()
    {
        BulkInQueue queue = Open(Defaults with { Logger = new FakeLogger(_log) });
        Device.Stall();
        _ = await FaultAsync(queue);
        await AdvanceUntilAsync(() => _log.Count == 3);

        Assert.Equal([(1, LogLevel.Debug), (2, LogLevel.Warning), (3, LogLevel.Information)], _log.GetSnapshot().Select(static r => (r.Id.Id, r.Level)));
    }

    [Fact]
    public async Task Log_AttemptsThatFailUntilTheDeviceIsGone_TellsEachAndTheEnd()
    {
        BulkInQueue queue = Open(Defaults with { Logger = new FakeLogger(_log) });
        Device.ClearHalts.Next(new SimulatedClearHalt { Answer = SimulatedResults.Of(BackendStatus.Pipe) }).Next(new SimulatedClearHalt { Answer = SimulatedResults.Of(BackendStatus.Io) });
        Device.StallOnce();
        await AdvanceUntilAsync(() => queue.Statistics.Recoveries == 1);
        await StateAsync(queue, BulkInState.Running);
        Device.Unplug();
        await StateAsync(queue, BulkInState.Gone);
        await AdvanceUntilAsync(() => _log.Count == 6);

        Assert.Equal([1, 2, 4, 4, 3, 2], _log.GetSnapshot().Select(static r => r.Id.Id));
        Assert.Contains("attempt 1 failed with Pipe", _log.GetSnapshot()[2].Message, StringComparison.Ordinal);
        Assert.Contains("attempt 2 failed with Io", _log.GetSnapshot()[3].Message, StringComparison.Ordinal);
        Assert.Contains("recovered at attempt 3", _log.GetSnapshot()[4].Message, StringComparison.Ordinal);
        Assert.Contains("DeviceGone", _log.LatestRecord.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Log_RecoverAsyncFails_TellsTheAttempt()
    {
        BulkInQueue queue = Open(Defaults with { Recovery = BulkInRecovery.Manual, Logger = new FakeLogger(_log) });
        Device.ClearHalts.Next(new SimulatedClearHalt { Answer = SimulatedResults.Of(BackendStatus.Pipe) });
        Device.StallOnce();
        await StateAsync(queue, BulkInState.Faulted);

        await Assert.ThrowsAsync<BulkInException>(() => queue.RecoverAsync().InTime());

        Assert.Equal([1, 5, 4], _log.GetSnapshot().Select(static r => r.Id.Id));
    }

    [Fact]
    public async Task Log_DroppingPump_SaysSoOnce()
    {
        BulkInQueue queue = Open(Defaults with { Logger = new FakeLogger(_log) });
        await using BulkInPump pump = queue.StartPump(1, BulkInPumpFullMode.DropOldest);
        for (byte i = 0; i < 10; i++)
        {
            Device.Deliver([i]);
        }

        await AdvanceUntilAsync(() => pump.Dropped == 9);
        await pump.StopAsync().InTime();

        Assert.Equal([1, 20, 21], _log.GetSnapshot().Select(static r => r.Id.Id));
    }

    private static double Change(Readings readings, Dictionary<string, double> before, string name)
    {
        Dictionary<string, double> now = readings.Take();
        return now.GetValueOrDefault(name) - before.GetValueOrDefault(name);
    }

    /// <summary>Collects what an exporter would, for the endpoint 0x8F.</summary>
    private sealed class Readings : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly Dictionary<string, double> _values = [];

        public Readings()
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == "BulkInQueue")
                {
                    Instruments.Add(instrument);
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Keep(instrument, value, tags));
            _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Keep(instrument, value, tags));
            _listener.Start();
        }

        public List<Instrument> Instruments { get; } = [];

        public HashSet<string> Tags { get; } = [];

        public Dictionary<string, double> Take()
        {
            _values.Clear();
            _listener.RecordObservableInstruments();
            return new Dictionary<string, double>(_values);
        }

        public void Dispose() => _listener.Dispose();

        private void Keep(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            string name = instrument.Name;
            string? address = null;
            foreach (KeyValuePair<string, object?> tag in tags)
            {
                Tags.Add(tag.Key);
                if (tag.Key == "usb.endpoint.address")
                {
                    address = (string?)tag.Value;
                }
                else
                {
                    name += $"{{{tag.Value}}}";
                }
            }

            if (address == "0x8f")
            {
                Assert.True(_values.TryAdd(name, value), $"{name} was observed twice: exporters keep one of the two.");
            }
        }
    }
}
