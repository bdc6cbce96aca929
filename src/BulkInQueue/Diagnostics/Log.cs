using BulkIn.Backends;
using Microsoft.Extensions.Logging;

namespace BulkIn.Diagnostics;

/// <summary>Every message of the queue, with its fixed event id. Nothing is logged per transfer, on the event thread or under a lock.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Debug, "{Queue} opened: {Depth} slots of {BufferLength} bytes, {SpareBuffers} spare")]
    public static partial void Opened(this ILogger logger, string queue, int depth, int bufferLength, int spareBuffers);

    [LoggerMessage(2, LogLevel.Warning, "{Queue}: {Error} after {Sequence} transfers")]
    public static partial void Faulted(this ILogger logger, string queue, BulkInError error, long sequence);

    [LoggerMessage(3, LogLevel.Information, "{Queue} recovered at attempt {Attempt}")]
    public static partial void Recovered(this ILogger logger, string queue, int attempt);

    [LoggerMessage(4, LogLevel.Warning, "{Queue}: recovery attempt {Attempt} failed with {Status} ({NativeCode})")]
    public static partial void RecoveryAttemptFailed(this ILogger logger, string queue, int attempt, BackendStatus status, int nativeCode);

    [LoggerMessage(5, LogLevel.Error, "{Queue} stays faulted with {Error} after {Attempts} attempts; RecoverAsync tries again")]
    public static partial void GaveUp(this ILogger logger, string queue, BulkInError error, int attempts);

    [LoggerMessage(6, LogLevel.Error, "{Queue} left {Transfers} transfers of {BufferLength} bytes behind on purpose, because their completions never came: {Reason}")]
    public static partial void TransfersLeaked(this ILogger logger, string queue, int transfers, int bufferLength, string reason);

    [LoggerMessage(7, LogLevel.Critical, "{Queue}: the control failed; the queue is faulted")]
    public static partial void ControlFailed(this ILogger logger, Exception failure, string queue);

    [LoggerMessage(8, LogLevel.Error, "{Part} threw while a queue was disposed of; the rest is disposed of all the same")]
    public static partial void DisposalFailed(this ILogger logger, Exception failure, string part);

    [LoggerMessage(9, LogLevel.Warning, "Endpoint 0x{Endpoint:X2}: the backend's IsClosed threw; the handle counts as open. Said once for each queue")]
    public static partial void IsClosedThrew(this ILogger logger, Exception failure, byte endpoint);

    [LoggerMessage(10, LogLevel.Error, "{Queue}: the backend's Submit threw; it counts as refused")]
    public static partial void SubmitThrew(this ILogger logger, Exception failure, string queue);

    [LoggerMessage(20, LogLevel.Warning, "{Queue}: its pump is full and drops packets (capacity {Capacity}, {FullMode}); said once for each pump")]
    public static partial void PumpDropping(this ILogger logger, string queue, int capacity, BulkInPumpFullMode fullMode);

    [LoggerMessage(21, LogLevel.Debug, "{Queue}: its pump ended, {Dropped} packets dropped")]
    public static partial void PumpEnded(this ILogger logger, string queue, long dropped);
}
