using Microsoft.Extensions.Logging;

namespace BulkIn.LibUsb;

/// <summary>What the libusb layer logs. Never from a completion callback.</summary>
internal static partial class LibUsbLog
{
    [LoggerMessage(EventId = 200, Level = LogLevel.Error, Message = "Handling USB events failed with {Name} ({Code}); trying again. Set LIBUSB_DEBUG=3 for libusb's own account.")]
    public static partial void EventHandlingFailed(ILogger logger, string name, int code);

    [LoggerMessage(EventId = 201, Level = LogLevel.Debug, Message = "Endpoint 0x{Endpoint:X2} of {Device}: {Buffers} buffers of {Length} bytes in device memory.")]
    public static partial void DeviceMemoryUsed(ILogger logger, byte endpoint, string device, int buffers, int length);

    [LoggerMessage(EventId = 202, Level = LogLevel.Debug, Message = "Endpoint 0x{Endpoint:X2} of {Device}: no usable device memory ({Reason}); pinned memory is used.")]
    public static partial void DeviceMemoryRefused(ILogger logger, byte endpoint, string device, string reason);

    [LoggerMessage(EventId = 203, Level = LogLevel.Warning, Message = "{Device}: interface {Number} could not be released: {Name} ({Code}).")]
    public static partial void ReleaseFailed(ILogger logger, string device, int number, string name, int code);

    [LoggerMessage(EventId = 204, Level = LogLevel.Warning, Message = "Endpoint 0x{Endpoint:X2} of {Device}: WinUSB RAW_IO could not be switched to {Enable}: {Name} ({Code}).")]
    public static partial void RawIoFailed(ILogger logger, byte endpoint, string device, bool enable, string name, int code);
}
