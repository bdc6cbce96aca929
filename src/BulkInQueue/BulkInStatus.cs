namespace BulkIn;

/// <summary>How a receive ended, when it did not end in an exception.</summary>
public enum BulkInStatus
{
    /// <summary>Nothing arrived in time. Every transfer stays posted; a later receive gets its data.</summary>
    TimedOut = 0,

    /// <summary>Data, or a zero-length packet.</summary>
    Data,

    /// <summary>The queue was stopped and everything that had arrived was delivered.</summary>
    Stopped,
}
