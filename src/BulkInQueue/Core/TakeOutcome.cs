namespace BulkIn.Core;

/// <summary>What a look at the stream found.</summary>
internal enum TakeOutcome
{
    /// <summary>A transfer, owned by the reader now.</summary>
    Data,

    /// <summary>Nothing yet.</summary>
    Nothing,

    /// <summary>A fault at its position.</summary>
    Fault,

    /// <summary>Stopped, and everything was delivered.</summary>
    Stopped,

    /// <summary>Disposed of.</summary>
    Closed,
}
