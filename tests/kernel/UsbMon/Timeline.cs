namespace BulkIn.UsbMon;

/// <summary>Everything usbmon saw on a bus, by device and endpoint.</summary>
public sealed class Timeline
{
    /// <summary>Takes the events of a bus.</summary>
    /// <param name="events">The events, oldest first.</param>
    /// <param name="dropped">Events the kernel had no room for. Conclusions about order and depth need none.</param>
    public Timeline(IReadOnlyList<UsbMonEvent> events, int dropped = 0)
    {
        Events = events;
        Dropped = dropped;
    }

    /// <summary>Every event, oldest first.</summary>
    public IReadOnlyList<UsbMonEvent> Events { get; }

    /// <summary>Events the kernel had no room for.</summary>
    public int Dropped { get; }

    /// <summary>What happened at one endpoint.</summary>
    /// <param name="device">The device's address.</param>
    /// <param name="endpoint">The endpoint's address.</param>
    public EndpointTimeline Endpoint(int device, byte endpoint) =>
        new(Events.Where(happened => happened.Device == device && happened.Endpoint == endpoint && happened.TransferKind != UsbTransferKind.Control));

    /// <summary>For each CLEAR_FEATURE(ENDPOINT_HALT) of an endpoint: how many of its URBs were outstanding when the request was submitted.</summary>
    /// <param name="device">The device's address.</param>
    /// <param name="endpoint">The endpoint's address.</param>
    public IReadOnlyList<int> OutstandingAtClearHalt(int device, byte endpoint)
    {
        List<int> outstanding = [];
        HashSet<ulong> posted = [];
        // By order, not by time: several events share a microsecond.
        foreach (UsbMonEvent happened in Events)
        {
            if (happened.Device != device)
            {
                continue;
            }

            if (happened.IsClearHalt && happened.SetupEndpoint == endpoint)
            {
                outstanding.Add(posted.Count);
            }
            else if (happened.Endpoint == endpoint && happened.TransferKind != UsbTransferKind.Control)
            {
                _ = happened.Kind == UsbMonKind.Submission ? posted.Add(happened.Id) : posted.Remove(happened.Id);
            }
        }

        return outstanding;
    }
}
