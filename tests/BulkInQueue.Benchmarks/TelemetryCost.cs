using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;

namespace BulkIn.Benchmarks;

/// <summary>
/// What telemetry costs a receive: slices of receives with nobody listening and with everybody listening, in turns, in one process. The machine's speed drifts by more than
/// the difference, so each slice is compared with its neighbour and the median of the differences is what counts.
/// </summary>
internal sealed class TelemetryCost
{
    private const int Pairs = 300;
    private const int WarmUp = 30;
    private const int Receives = 100_000;
    private const int Bytes = 512;

    private readonly byte[] _destination = new byte[Bytes];

    /// <summary>Measures and prints.</summary>
    public static async Task RunAsync() => await new TelemetryCost().MeasureAsync();

    private async Task MeasureAsync()
    {
        // One queue for both: two would lie differently in memory, which shows more than what is measured.
        Logger logger = new();
#pragma warning disable CA2000 // The queue disposes of its backend.
        await using BulkInQueue queue = BulkInQueue.Open(new LoopbackBackend(Bytes, completesAtOnce: true), new BulkInQueueOptions { BufferLength = Bytes, Logger = logger });
#pragma warning restore CA2000
        List<double> alone = [];
        List<double> heard = [];
        List<double> differences = [];
        long allocated = 0;
        for (int pair = -WarmUp; pair < Pairs; pair++)
        {
            // The order changes with each pair, so that no side always runs first.
            double unheard = pair % 2 == 0 ? Slice(queue) : 0;
            double listened;
            using (Listen(logger))
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                listened = Slice(queue);
                allocated += GC.GetAllocatedBytesForCurrentThread() - before;
            }

            unheard = pair % 2 == 0 ? unheard : Slice(queue);
            if (pair >= 0)
            {
                alone.Add(unheard);
                heard.Add(listened);
                differences.Add(listened - unheard);
            }
        }

        (double low, double high) = IntervalOfMedian(differences);
        Console.WriteLine($"ready receive of {Bytes} bytes (TryRecv, instant backend), {Pairs} pairs of {Receives} receives");
        Console.WriteLine($"nobody listens                 {Median(alone),8:0.00} ns");
        Console.WriteLine($"meter, activities, log at Trace{Median(heard),8:0.00} ns");
        Console.WriteLine($"difference of neighbours       {Median(differences),8:+0.00;-0.00} ns (95 %: {low:+0.00;-0.00} to {high:+0.00;-0.00})");
        Console.WriteLine($"allocated for each receive     {(double)allocated / ((Pairs + WarmUp) * (long)Receives),8:0.00} bytes");
    }

    private double Slice(BulkInQueue queue)
    {
        long start = Stopwatch.GetTimestamp();
        for (int receive = 0; receive < Receives; receive++)
        {
            if (!queue.TryRecv(_destination, out _))
            {
                throw new InvalidOperationException("The instant backend had nothing.");
            }
        }

        return Stopwatch.GetElapsedTime(start).TotalNanoseconds / Receives;
    }

    /// <summary>Everybody: every instrument enabled and collected once, every activity sampled.</summary>
    private static Scope Listen(Logger logger)
    {
        MeterListener meter = new()
        {
            InstrumentPublished = static (instrument, self) =>
            {
                if (instrument.Meter.Name == "BulkInQueue")
                {
                    self.EnableMeasurementEvents(instrument);
                }
            },
        };
        meter.SetMeasurementEventCallback<long>(static (_, _, _, _) => { });
        meter.SetMeasurementEventCallback<double>(static (_, _, _, _) => { });
        meter.Start();
        meter.RecordObservableInstruments();
        ActivityListener activities = new()
        {
            ShouldListenTo = static source => source.Name == "BulkInQueue",
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
        };
        ActivitySource.AddActivityListener(activities);
        logger.IsListening = true;
        return new Scope(meter, activities, logger);
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    /// <summary>By order statistics, which asks nothing of how the values are spread.</summary>
    private static (double Low, double High) IntervalOfMedian(List<double> values)
    {
        double[] sorted = [.. values.Order()];
        int reach = (int)Math.Ceiling(0.98 * Math.Sqrt(sorted.Length));
        return (sorted[(sorted.Length / 2) - reach], sorted[(sorted.Length / 2) + reach]);
    }

    private sealed class Scope(MeterListener meter, ActivityListener activities, Logger logger) : IDisposable
    {
        public void Dispose()
        {
            logger.IsListening = false;
            activities.Dispose();
            meter.Dispose();
        }
    }

    private sealed class Logger : ILogger
    {
        public bool IsListening { get; set; }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => IsListening;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
        }
    }
}
