using System.Diagnostics;
using System.Diagnostics.Metrics;
using BulkIn;
using Microsoft.Extensions.Logging;

namespace Snippets;

/// <summary>docs/telemetry.md.</summary>
internal static class Observing
{
    public static MeterListener Listen()
    {
        MeterListener listener = new()
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Meter.Name == "BulkInQueue")
                {
                    self.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Console.WriteLine($"{instrument.Name} {value} {instrument.Unit}"));
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Console.WriteLine($"{instrument.Name} {value} {instrument.Unit}"));
        listener.Start();
        listener.RecordObservableInstruments();
        return listener;
    }

    public static void Trace()
    {
        ActivitySource.AddActivityListener(new ActivityListener
        {
            ShouldListenTo = source => source.Name == "BulkInQueue",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = activity => Console.WriteLine($"{activity.OperationName} {activity.Duration} {activity.GetTagItem("error.type")}"),
        });
    }

    public static BulkInQueueOptions Log(ILoggerFactory loggers) =>
        new() { Logger = loggers.CreateLogger("BulkInQueue") };
}
