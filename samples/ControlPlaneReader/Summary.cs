using BulkIn;
using BulkIn.Testing;

namespace ControlPlaneReader;

/// <summary>How a reading ended.</summary>
internal enum ReadingEnd
{
    /// <summary>Stopped by Ctrl-C or SIGTERM.</summary>
    Stopped,

    /// <summary>The recording has no more completions.</summary>
    RecordingEnded,

    /// <summary>The device was unplugged, really or in the recording.</summary>
    Unplugged,

    /// <summary>A fault that nothing recovers from; it is reported as an error.</summary>
    Failed,
}

/// <summary>The figures at the end of a reading.</summary>
internal sealed class Summary
{
    /// <summary>What was read.</summary>
    public required string Source { get; init; }

    /// <summary>How it ended.</summary>
    public required ReadingEnd End { get; init; }

    /// <summary>Frames, and where each transfer and byte went.</summary>
    public required FrameAssembler Frames { get; init; }

    /// <summary>Faults of the endpoint that the reading met, the unplug not counted.</summary>
    public required long Faults { get; init; }

    /// <summary>Transfers kept posted.</summary>
    public required int Depth { get; init; }

    /// <summary>Bytes of each buffer.</summary>
    public required int BufferLength { get; init; }

    /// <summary>How long the reading took.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>The queue's own figures.</summary>
    public required BulkInStatistics Queue { get; init; }

    /// <summary>Where the recorded completions went; null when a device was read.</summary>
    public CaptureReplayStatistics? Recording { get; init; }
}
