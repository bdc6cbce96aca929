using BulkIn.Backends;

namespace BulkIn.LibUsb;

/// <summary>Makes the exception for a failed libusb call: what was tried, what libusb said, what to do.</summary>
internal static class LibUsbFailure
{
    public static BulkInException Of(ILibUsb libusb, int code, string what, LibUsbRemedy? remedy = null, BulkInError? error = null, byte endpoint = 0, int systemError = 0)
    {
        BackendResult result = LibUsbCode.ToResult(code, systemError);
        BulkInError reported = error ?? LibUsbCode.ToError(result.Status);
        string? advice = (remedy ?? new LibUsbRemedy(LibUsbPlatforms.Current)).For(reported, result);
        string errno = systemError == 0 ? "" : $", errno {systemError}";
        string message = $"{what}: {libusb.ErrorName(code)} ({code}{errno}).";
        return new BulkInException(reported, advice is null ? message : $"{message} {advice}")
        {
            NativeCode = code,
            SystemError = systemError,
            Endpoint = endpoint,
        };
    }
}
