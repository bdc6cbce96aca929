namespace BulkIn.Testing;

/// <summary>Why a <see cref="CaptureReplay"/> has no more completions.</summary>
public enum CaptureReplayEnd
{
    /// <summary>It still has some.</summary>
    None = 0,

    /// <summary>The recording ends. The queue sees a device that is gone, because nothing can ever come again.</summary>
    RecordingEnded,

    /// <summary>The recording shows the device unplugged.</summary>
    Unplugged,

    /// <summary>The file could not be read on; see <see cref="CaptureReplay.Failure"/>.</summary>
    Failed,
}
