using System.Diagnostics.CodeAnalysis;
using System.Diagnostics.Metrics;
using System.Globalization;

namespace BulkIn.Diagnostics;

/// <summary>
/// The meter "BulkInQueue". Every instrument is observed: a collection takes a snapshot of each open queue, and between collections, or with no listener, a queue does nothing at
/// all for it.
/// </summary>
/// <remarks>
/// Queues are summed by endpoint address, so there are at most 15 series of each instrument (times nine outcomes, or the errors), however many devices come and go; what closed
/// queues had counted stays in the sums.
/// </remarks>
internal static class QueueMeter
{
    private const int Addresses = 16;

    // Guards Open and Ended: a queue that ends is in exactly one of them. Listeners run outside of it.
    private static readonly Lock Gate = new();
    private static readonly HashSet<BulkInQueue> Open = [];
    private static readonly QueueTotals?[] Ended = new QueueTotals?[Addresses];
    private static readonly string[] Outcomes = ["data", "zero_length", "stall", "error", "overflow", "cancelled", "no_device", "timed_out", "other"];
    private static readonly string[] Errors =
    [
        "unknown", "stall", "transfer_error", "overflow", "interrupted", "device_gone", "handle_closed", "submit_failed", "out_of_memory", "completion_missing",
        "access_denied", "busy", "not_found", "not_supported", "timeout", "message_too_long", "pump_overrun",
    ];

    private static readonly Meter Meter = new(InstrumentationScope.Name, InstrumentationScope.Version);

    private static int _published;

    public static string NameOf(BulkInError error) => Errors[(int)error];

    public static void Add(BulkInQueue queue)
    {
        lock (Gate)
        {
            _ = Open.Add(queue);
        }

        // The instruments exist from the first queue on. Outside of the lock, because creating an instrument runs its listeners' code.
        if (Interlocked.Exchange(ref _published, 1) == 0)
        {
            Publish(Meter);
        }
    }

    public static void Remove(BulkInQueue queue)
    {
        lock (Gate)
        {
            if (Open.Remove(queue))
            {
                QueueTotals ended = Ended[queue.Endpoint & 0x0F] ??= new QueueTotals();
                queue.AddTo(ended);
                ended.End();
            }
        }
    }

    /// <summary>Creates the instruments.</summary>
    internal static void Publish(Meter meter)
    {
        Guarded(() => meter.CreateObservableUpDownCounter("bulk_in_queue.queues", static () => Observe<long>(static t => t.Queues), "{queue}", "Open queues."));
        Guarded(() => meter.CreateObservableUpDownCounter("bulk_in_queue.posted", static () => Observe<long>(static t => t.Posted), "{transfer}", "Transfers posted on the endpoint."));
        Guarded(() => meter.CreateObservableCounter("bulk_in_queue.io", static () => Observe<long>(static t => t.Bytes), "By", "Bytes received."));
        Guarded(() => meter.CreateObservableCounter(
            "bulk_in_queue.discarded.io",
            static () => Observe<long>(static t => t.Discarded),
            "By",
            "Bytes received and dropped: discarded, by a full pump, or unread at the end."));
        Guarded(() => meter.CreateObservableCounter(
            "bulk_in_queue.transfers",
            static () => Observe("bulk_in_queue.transfer.outcome", Outcomes, static t => t.Transfers),
            "{transfer}",
            "Transfers that ended, by outcome."));
        Guarded(() => meter.CreateObservableCounter("bulk_in_queue.faults", static () => Observe("error.type", Errors, static t => t.Faults), "{fault}", "Generations of failed transfers, by error."));
        Guarded(() => meter.CreateObservableCounter("bulk_in_queue.recoveries", static () => Observe<long>(static t => t.Recoveries), "{recovery}", "Recoveries that posted the endpoint again."));
        Guarded(() => meter.CreateObservableCounter("bulk_in_queue.starvations", static () => Observe<long>(static t => t.Starvations), "{starvation}", "How often nothing was posted while running."));
        Guarded(() => meter.CreateObservableCounter("bulk_in_queue.starvation.time", static () => Observe(static t => t.StarvedSeconds), "s", "How long nothing was posted while running."));
        Guarded(() => meter.CreateObservableCounter("bulk_in_queue.leaked", static () => Observe<long>(static t => t.Leaked), "{transfer}", "Transfers left behind because their completion never came."));
    }

    [SuppressMessage("Design", "CA1031", Justification = "A listener is user code: one that throws when it is told of an instrument misses it, and opening a queue is none of its business.")]
    private static void Guarded(Action create)
    {
        try
        {
            create();
        }
        catch (Exception)
        {
            return;
        }
    }

    private static QueueTotals?[] Collect()
    {
        QueueTotals?[] sums = new QueueTotals?[Addresses];
        lock (Gate)
        {
            for (int i = 0; i < Addresses; i++)
            {
                if (Ended[i] is { } ended)
                {
                    (sums[i] = new QueueTotals()).Add(ended);
                }
            }

            foreach (BulkInQueue queue in Open)
            {
                QueueTotals sum = sums[queue.Endpoint & 0x0F] ??= new QueueTotals();
                sum.Queues++;
                queue.AddTo(sum);
            }
        }

        return sums;
    }

    private static List<Measurement<T>> Observe<T>(Func<QueueTotals, T> value)
        where T : struct
    {
        List<Measurement<T>> measurements = [];
        QueueTotals?[] sums = Collect();
        for (int i = 0; i < sums.Length; i++)
        {
            if (sums[i] is { } sum)
            {
                measurements.Add(new Measurement<T>(value(sum), Address(i)));
            }
        }

        return measurements;
    }

    private static List<Measurement<long>> Observe(string tag, string[] names, Func<QueueTotals, long[]> values)
    {
        List<Measurement<long>> measurements = [];
        QueueTotals?[] sums = Collect();
        for (int i = 0; i < sums.Length; i++)
        {
            long[] counts = sums[i] is { } sum ? values(sum) : [];
            for (int k = 0; k < counts.Length; k++)
            {
                if (counts[k] > 0)
                {
                    measurements.Add(new Measurement<long>(counts[k], Address(i), new KeyValuePair<string, object?>(tag, names[k])));
                }
            }
        }

        return measurements;
    }

    private static KeyValuePair<string, object?> Address(int endpoint) =>
        new("usb.endpoint.address", string.Create(CultureInfo.InvariantCulture, $"0x{0x80 | endpoint:x2}"));
}
