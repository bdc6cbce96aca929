using BulkIn.Backends;

namespace BulkIn.LibUsb;

/// <summary>enum libusb_error, and its translation into the seam's and the user's terms.</summary>
internal static class LibUsbCode
{
    public const int Success = 0;
    public const int Io = -1;
    public const int InvalidParameter = -2;
    public const int Access = -3;
    public const int NoDevice = -4;
    public const int NotFound = -5;
    public const int Busy = -6;
    public const int Timeout = -7;
    public const int Overflow = -8;
    public const int Pipe = -9;
    public const int Interrupted = -10;
    public const int NoMemory = -11;
    public const int NotSupported = -12;
    public const int Other = -99;

    public static BackendResult ToResult(int code, int systemError = 0) => new(ToStatus(code), code, systemError);

    public static BackendStatus ToStatus(int code) => code switch
    {
        Success => BackendStatus.Success,
        Io => BackendStatus.Io,
        InvalidParameter => BackendStatus.InvalidParameter,
        Access => BackendStatus.Access,
        NoDevice => BackendStatus.NoDevice,
        NotFound => BackendStatus.NotFound,
        Busy => BackendStatus.Busy,
        Timeout => BackendStatus.Timeout,
        Overflow => BackendStatus.Overflow,
        Pipe => BackendStatus.Pipe,
        Interrupted => BackendStatus.Interrupted,
        NoMemory => BackendStatus.NoMemory,
        NotSupported => BackendStatus.NotSupported,
        _ => BackendStatus.Other,
    };

    public static BulkInError ToError(BackendStatus status) => status switch
    {
        BackendStatus.Access => BulkInError.AccessDenied,
        BackendStatus.NoDevice => BulkInError.DeviceGone,
        BackendStatus.NotFound => BulkInError.NotFound,
        BackendStatus.Busy => BulkInError.Busy,
        BackendStatus.Timeout => BulkInError.Timeout,
        BackendStatus.Overflow => BulkInError.Overflow,
        BackendStatus.Pipe => BulkInError.Stall,
        BackendStatus.Interrupted => BulkInError.Interrupted,
        BackendStatus.NoMemory => BulkInError.OutOfMemory,
        BackendStatus.NotSupported => BulkInError.NotSupported,
        BackendStatus.Io => BulkInError.TransferError,
        BackendStatus.HandleClosed => BulkInError.HandleClosed,
        _ => BulkInError.Unknown,
    };

    /// <summary>The seam's status has libusb's numbers; a number libusb has not named yet is treated as an error.</summary>
    public static TransferStatus ToTransferStatus(int status) =>
        status is >= (int)TransferStatus.Completed and <= (int)TransferStatus.Overflow ? (TransferStatus)status : TransferStatus.Error;
}
