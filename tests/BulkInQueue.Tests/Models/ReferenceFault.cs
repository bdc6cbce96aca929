namespace BulkIn;

/// <summary>What the queue logs of a recovery, by event id.</summary>
internal enum ControlEvent
{
    Faulted = 2,
    Recovered = 3,
    AttemptFailed = 4,
    GaveUp = 5,
}

/// <summary>A generation's fault in the model.</summary>
internal sealed class ReferenceFault
{
    public BulkInError Error { get; set; }

    public long Transfers { get; set; }

    public long Bytes { get; set; }

    public long IntactFrom { get; set; }

    public bool Recovers { get; set; }

    /// <summary>Receives may throw it; before that they wait at its position.</summary>
    public bool IsPublished { get; set; }

    public bool WasThrown { get; set; }

    public bool IsTerminal => Error == BulkInError.DeviceGone;
}
