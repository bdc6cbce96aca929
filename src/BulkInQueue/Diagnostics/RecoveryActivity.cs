using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using BulkIn.Core;

namespace BulkIn.Diagnostics;

/// <summary>
/// The activity source "BulkInQueue": one activity for each recovery, from the fault to its end. Without a listener there is none. Listeners are user code and cannot harm: what
/// they throw costs the activity, never the recovery.
/// </summary>
internal readonly struct RecoveryActivity : IDisposable
{
    private static readonly ActivitySource? Source = Create();

    private readonly Activity? _activity;

    private RecoveryActivity(Activity? activity)
    {
        _activity = activity;
    }

    [SuppressMessage("Design", "CA1031", Justification = "User code behind a listener; see the type.")]
    public static RecoveryActivity Start(byte endpoint)
    {
        Activity? before = Activity.Current;
        try
        {
            return new RecoveryActivity(Source?.StartActivity("bulk_in_queue.recovery")
                ?.SetTag("usb.endpoint.address", string.Create(CultureInfo.InvariantCulture, $"0x{endpoint:x2}")));
        }
        catch (Exception)
        {
            // A listener that threw at the start left its activity behind as the current one.
            Activity.Current = before;
            return default;
        }
    }

    /// <summary>Says how it ended.</summary>
    /// <param name="state">The queue's, at the end.</param>
    /// <param name="fault">What was recovered from.</param>
    /// <param name="attempts">How many attempts at posting again were made since data last came.</param>
    public void Describe(BulkInState state, Fault? fault, int attempts)
    {
        if (_activity is null)
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
        _ = _activity.SetTag("bulk_in_queue.recovery.outcome", outcome).SetTag("bulk_in_queue.recovery.attempts", attempts);
        if (fault is not null)
        {
            _ = _activity.SetTag("error.type", QueueMeter.NameOf(fault.Error));
        }

        if (state is BulkInState.Faulted or BulkInState.Gone)
        {
            _ = _activity.SetStatus(ActivityStatusCode.Error);
        }
    }

    /// <summary>Ends the activity.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "User code behind a listener; see the type.")]
    public void Dispose()
    {
        try
        {
            _activity?.Dispose();
        }
        catch (Exception)
        {
            return;
        }
    }

    [SuppressMessage("Design", "CA1031", Justification = "User code behind a listener; see the type.")]
    private static ActivitySource? Create()
    {
        try
        {
            return new ActivitySource(InstrumentationScope.Name, InstrumentationScope.Version);
        }
        catch (Exception)
        {
            return null;
        }
    }
}
