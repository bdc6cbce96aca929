namespace BulkIn.Backends;

/// <summary>The outcome of a call into the transport, named after the <c>libusb_error</c> it stands for.</summary>
public enum BackendStatus
{
    /// <summary>The call succeeded.</summary>
    Success = 0,

    /// <summary>Input/output error: the transport's word for everything it has no name for (LIBUSB_ERROR_IO).</summary>
    Io,

    /// <summary>Invalid parameter (LIBUSB_ERROR_INVALID_PARAM).</summary>
    InvalidParameter,

    /// <summary>Insufficient permissions (LIBUSB_ERROR_ACCESS).</summary>
    Access,

    /// <summary>The device is gone (LIBUSB_ERROR_NO_DEVICE). From a submit this is proof.</summary>
    NoDevice,

    /// <summary>Not found: nothing to cancel, or the interface is not claimed (LIBUSB_ERROR_NOT_FOUND).</summary>
    NotFound,

    /// <summary>Held by somebody else (LIBUSB_ERROR_BUSY).</summary>
    Busy,

    /// <summary>The operation timed out (LIBUSB_ERROR_TIMEOUT).</summary>
    Timeout,

    /// <summary>More data than asked for (LIBUSB_ERROR_OVERFLOW).</summary>
    Overflow,

    /// <summary>The endpoint is halted, or the control request was stalled (LIBUSB_ERROR_PIPE).</summary>
    Pipe,

    /// <summary>Interrupted by a signal (LIBUSB_ERROR_INTERRUPTED).</summary>
    Interrupted,

    /// <summary>Out of memory, or over the limit for USB buffers (LIBUSB_ERROR_NO_MEM).</summary>
    NoMemory,

    /// <summary>Not supported on this platform or driver (LIBUSB_ERROR_NOT_SUPPORTED).</summary>
    NotSupported,

    /// <summary>Any other error (LIBUSB_ERROR_OTHER and unknown numbers); see <see cref="BackendResult.NativeCode"/>.</summary>
    Other,

    /// <summary>The owner of the handle closed it; no native call was made.</summary>
    HandleClosed,
}
