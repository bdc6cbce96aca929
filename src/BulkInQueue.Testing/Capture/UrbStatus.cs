using BulkIn.Backends;

namespace BulkIn.Testing;

/// <summary>Linux's URB statuses (Documentation/driver-api/usb/error-codes.rst), read as libusb's Linux backend reads them.</summary>
internal static class UrbStatus
{
    private const int Enoent = -2;
    private const int Enodev = -19;
    private const int Epipe = -32;
    private const int Eoverflow = -75;
    private const int Econnreset = -104;
    private const int Eshutdown = -108;
    private const int Etimedout = -110;
    private const int Eremoteio = -121;

    /// <summary>Success, or a short packet where the submitter had asked for none: all its bytes are good.</summary>
    public static bool IsSuccess(int status) => status is 0 or Eremoteio;

    /// <summary>Unlinked by the capturing host itself, waiting for it (usb_kill_urb) or not (usb_unlink_urb).</summary>
    public static bool IsHostCancel(int status) => status is Enoent or Econnreset;

    /// <summary>The endpoint was shut down: by the unplug, or by a reset, a released interface or sleep.</summary>
    public static bool IsGone(int status) => status is Eshutdown or Enodev;

    /// <summary>The transfer status of a failed completion that is neither a host's cancel nor "gone".</summary>
    public static TransferStatus ToFault(int status) => status switch
    {
        Epipe => TransferStatus.Stall,
        Eoverflow => TransferStatus.Overflow,
        Etimedout => TransferStatus.TimedOut,
        // EPROTO (-71), EILSEQ (-84), ETIME (-62): the bus failed. Every other number is treated like them, as libusb does.
        _ => TransferStatus.Error,
    };
}
