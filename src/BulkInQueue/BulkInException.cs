namespace BulkIn;

/// <summary>A fault of the endpoint, the device or the transport. The message says what to do about it.</summary>
public sealed class BulkInException : IOException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="error">What went wrong.</param>
    /// <param name="message">What happened and what to do, for the reader of a log.</param>
    public BulkInException(BulkInError error, string message)
        : base(message)
    {
        Error = error;
    }

    /// <summary>Creates the exception.</summary>
    /// <param name="error">What went wrong.</param>
    /// <param name="message">What happened and what to do, for the reader of a log.</param>
    /// <param name="innerException">The cause, or <see langword="null"/>.</param>
    public BulkInException(BulkInError error, string message, Exception? innerException)
        : base(message, innerException)
    {
        Error = error;
    }

    /// <summary>What went wrong; each value's documentation ends with its remedy.</summary>
    public BulkInError Error { get; }

    /// <summary>The transport's number: a <c>libusb_error</c> (negative) or a <c>libusb_transfer_status</c> (positive); 0 when there is none.</summary>
    public int NativeCode { get; init; }

    /// <summary>The operating system's error number behind <see cref="NativeCode"/>, best effort; 0 when unknown.</summary>
    public int SystemError { get; init; }

    /// <summary>The endpoint's address, or 0 when the fault belongs to no endpoint.</summary>
    public byte Endpoint { get; init; }

    /// <summary>Position in the stream: the <see cref="BulkInResult.Sequence"/> that the next transfer after the fault gets. Every transfer with a lower
    /// number was delivered before.</summary>
    public long Sequence { get; init; }

    /// <summary>Position in the stream: bytes received from the endpoint before the fault. For an OUT or control transfer of a <see cref="LibUsbDevice"/>: bytes
    /// transferred before it failed.</summary>
    public long BytePosition { get; init; }

    /// <summary>
    /// Position in the stream: the <see cref="BulkInResult.Sequence"/> from which on nothing is missing because of this fault. Mostly <see cref="Sequence"/>. Greater, by
    /// less than the queue's depth, when another transfer of the same generation failed behind some that brought data: that data is delivered after this fault, and
    /// somewhere before this position it has one more gap, or several, which no other exception reports.
    /// </summary>
    public long IntactFrom { get; init; }

    /// <summary>True when the queue recovers by itself: the next receive waits for new data. False: it throws this fault again until
    /// <see cref="BulkInQueue.RecoverAsync"/> succeeds, or for good when <see cref="IsTerminal"/>. A fault that was met while the queue was being paused or stopped is
    /// thrown once all the same; there <see cref="BulkInQueue.ResumeAsync"/> recovers.</summary>
    public bool RecoversByItself { get; init; }

    /// <summary>True when the queue will never receive again and can only be disposed of.</summary>
    public bool IsTerminal => Error is BulkInError.DeviceGone or BulkInError.HandleClosed;
}
