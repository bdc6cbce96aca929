using System.Diagnostics;
using System.Diagnostics.Metrics;
using BulkIn.Testing;

namespace BulkIn.Consumer;

/// <summary>A stall that the queue recovers from, an unplug, and what meter and activity source say about them.</summary>
internal static class Faults
{
    public static async Task RunAsync()
    {
        int activities = 0;
        using ActivityListener activityListener = new()
        {
            ShouldListenTo = static source => source.Name == "BulkInQueue",
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = _ => Interlocked.Increment(ref activities),
        };
        ActivitySource.AddActivityListener(activityListener);
        Dictionary<string, long> counts = [];
        using MeterListener meterListener = new()
        {
            InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument.Meter.Name == "BulkInQueue")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        meterListener.SetMeasurementEventCallback<long>((instrument, value, _, _) => counts[instrument.Name] = counts.GetValueOrDefault(instrument.Name) + value);
        meterListener.Start();

        using SimulatedEndpoint device = new();
        await using BulkInQueue queue = device.OpenQueue();
        byte[] destination = new byte[64];
        device.Stall();
        BulkInException stall = await Expect.FaultAsync(BulkInError.Stall, () => queue.RecvAsync(destination).AsTask());
        Expect.That(stall is { RecoversByItself: true, IsTerminal: false }, "a fault that the queue recovers from by itself");
        device.Deliver([5]);
        Expect.That((await queue.RecvAsync(destination)).Length == 1, "data after the recovery");
        await queue.PauseAsync();
        Expect.That(queue.State == BulkInState.Paused && device.Posted == 0, "nothing posted while paused");
        await queue.ResumeAsync();

        device.Unplug();
        BulkInException gone = await Expect.FaultAsync(BulkInError.DeviceGone, () => queue.RecvAsync(destination).AsTask());
        Expect.That(gone.IsTerminal, "a terminal fault");
        await queue.DisposeAsync();

        meterListener.RecordObservableInstruments();
        Expect.That(counts["bulk_in_queue.io"] > 0 && counts["bulk_in_queue.recoveries"] >= 1 && counts["bulk_in_queue.queues"] == 0, $"the meter's figures, not {string.Join(", ", counts)}");
        Expect.That(Volatile.Read(ref activities) == 2, $"one activity for each of two faults, not {activities}");
    }
}
