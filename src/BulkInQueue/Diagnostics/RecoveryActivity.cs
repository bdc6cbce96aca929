using System.Diagnostics;
using System.Globalization;
using BulkIn.Core;

namespace BulkIn.Diagnostics;

/// <summary>The activity source "BulkInQueue": one activity for each recovery, from the fault to its end. Without a listener there is none.</summary>
internal static class RecoveryActivity
{
    public const string Name = "BulkInQueue";

    private static readonly ActivitySource Source = new(Name);

    public static Activity? Start(byte endpoint) => Source.StartActivity("bulk_in_queue.recovery")
        ?.SetTag("usb.endpoint.address", string.Create(CultureInfo.InvariantCulture, $"0x{endpoint:x2}"));

    /// <summary>Says how it ended.</summary>
    /// <param name="activity">The activity, or null.</param>
    /// <param name="state">The queue's, at the end.</param>
    /// <param name="fault">What was recovered from.</param>
    /// <param name="attempts">How many attempts at posting again were made since data last came.</param>
    public static void Describe(this Activity? activity, BulkInState state, Fault? fault, int attempts)
    {
        if (activity is null)
        {
            return;
        }

        string outcome = state switch
        {
            BulkInState.Running => "recovered",
            BulkInState.Faulted => "faulted",
            BulkInState.Gone => "gone",
            _ => "superseded",
        };
        _ = activity.SetTag("bulk_in_queue.recovery.outcome", outcome).SetTag("bulk_in_queue.recovery.attempts", attempts);
        if (fault is not null)
        {
            _ = activity.SetTag("error.type", QueueMeter.NameOf(fault.Error));
        }

        if (state is BulkInState.Faulted or BulkInState.Gone)
        {
            _ = activity.SetStatus(ActivityStatusCode.Error);
        }
    }
}
