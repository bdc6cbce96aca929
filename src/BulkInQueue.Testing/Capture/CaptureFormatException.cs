namespace BulkIn.Testing;

/// <summary>A capture file is not what its format says it should be: no capture at all, cut off, damaged, or of a link type that is not USB.</summary>
public sealed class CaptureFormatException : IOException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="offset">Where in the file, in bytes from its start.</param>
    /// <param name="message">What was expected there and what was found; the offset is added to it.</param>
    public CaptureFormatException(long offset, string message)
        : base($"{message} (at byte {offset} of the capture)")
    {
        Offset = offset;
    }

    /// <summary>Where the structure begins that could not be read, in bytes from the start of the file.</summary>
    public long Offset { get; }

    /// <summary>True when the file simply ends too early, as that of a recorder that was killed: everything before <see cref="Offset"/> is whole.</summary>
    public bool IsTruncation { get; init; }
}
