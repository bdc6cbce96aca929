using System.Runtime.InteropServices;

namespace BulkIn.Testing;

/// <summary>
/// Where the recorded completions of the replayed endpoint went, so far. Each is counted once:
/// <c>Completions = Delivered + CancelledByHost + Interrupted + Unplugged + Faults</c>.
/// </summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct CaptureReplayStatistics
{
    /// <summary>Completions read from the recording.</summary>
    public long Completions { get; init; }

    /// <summary>Handed to the queue: successful ones, and cancelled ones that carried bytes all the same.</summary>
    public long Delivered { get; init; }

    /// <summary>Cancelled by the capturing host (-2, -104) without a byte: passed over, as they say nothing about the device.</summary>
    public long CancelledByHost { get; init; }

    /// <summary>Shut down (-108, -19) although the same device went on later: a reset, a released interface, sleep. Passed over.</summary>
    public long Interrupted { get; init; }

    /// <summary>Ended by the unplug (-108, -19, and no sign of life after it).</summary>
    public long Unplugged { get; init; }

    /// <summary>Failed otherwise: stalls, bus errors, overflows. Those of URBs that were posted together are one fault of the endpoint.</summary>
    public long Faults { get; init; }

    /// <summary>Bytes handed to the queue, those that came with a fault included.</summary>
    public long Bytes { get; init; }

    /// <summary>Bytes transferred on the capturing host that are not in the file: cut by the recorder's snap length.</summary>
    public long MissingBytes { get; init; }

    /// <summary>Submissions that the capturing host's controller refused; they are no transfers.</summary>
    public long SubmissionErrors { get; init; }
}
