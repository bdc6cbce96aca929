using System.Globalization;
using System.Text;
using BulkIn.Backends;

namespace BulkIn.Core;

/// <summary>Turns a fault into the exception a user sees: what happened, where, and what to do.</summary>
internal static class FaultMessage
{
    public static BulkInException ToException(this Fault fault, GuardedBackend backend)
    {
        BulkInEndpoint endpoint = backend.Endpoint;
        int code = fault.Result.IsSuccess ? fault.NativeStatus : fault.Result.NativeCode;
        string message = Compose(
            endpoint,
            What(fault),
            Code(fault, code),
            Where(fault),
            Next(fault),
            backend.GetRemedy(fault.Error, fault.Result));
        return new BulkInException(fault.Error, message, fault.Thrown)
        {
            NativeCode = code,
            SystemError = fault.Result.SystemError,
            Endpoint = endpoint.Address,
            Sequence = fault.Sequence,
            BytePosition = fault.BytePosition,
            IntactFrom = fault.IntactFrom,
            RecoversByItself = fault.RecoversByItself,
        };
    }

    /// <summary>A failed call, outside of the stream: at open, on recover or resume.</summary>
    public static BulkInException OfCall(GuardedBackend backend, string action, Fault fault)
    {
        string message = Compose(
            backend.Endpoint,
            action + ": " + What(fault),
            Code(fault, fault.Result.NativeCode),
            where: null,
            next: null,
            backend.GetRemedy(fault.Error, fault.Result));
        return new BulkInException(fault.Error, message, fault.Thrown)
        {
            NativeCode = fault.Result.NativeCode,
            SystemError = fault.Result.SystemError,
            Endpoint = backend.Endpoint.Address,
            Sequence = fault.Sequence,
            BytePosition = fault.BytePosition,
            IntactFrom = fault.IntactFrom,
        };
    }

    private static string Compose(BulkInEndpoint endpoint, string what, string? code, string? where, string? next, string? remedy)
    {
        StringBuilder text = new StringBuilder("Endpoint ")
            .Append(CultureInfo.InvariantCulture, $"0x{endpoint.Address:X2}");
        if (endpoint.DeviceName.Length > 0)
        {
            _ = text.Append(" of ").Append(endpoint.DeviceName);
        }

        _ = text.Append(": ").Append(what);
        foreach (string? part in (ReadOnlySpan<string?>)[code, where])
        {
            if (part is not null)
            {
                _ = text.Append(part == code ? " (" : ", ").Append(part).Append(part == code ? ")" : "");
            }
        }

        _ = text.Append('.');
        foreach (string? sentence in (ReadOnlySpan<string?>)[next, remedy])
        {
            if (sentence is not null)
            {
                _ = text.Append(' ').Append(sentence);
            }
        }

        return text.ToString();
    }

    private static string What(Fault fault) => fault.Error switch
    {
        BulkInError.Stall => "the device halted the endpoint",
        BulkInError.TransferError => "a transfer failed on the bus",
        BulkInError.Overflow => "the device sent more than the transfer could take; its bytes are untrusted",
        BulkInError.Interrupted => "its transfers were ended from outside the queue (a reset, a released interface, a deauthorized device, system sleep, or a foreign cancel) while the device stayed attached",
        BulkInError.DeviceGone => "the device is gone",
        BulkInError.HandleClosed => "the owner of the device handle closed it while the queue was open",
        BulkInError.SubmitFailed => "a transfer was refused",
        BulkInError.OutOfMemory => "no memory for USB buffers",
        BulkInError.CompletionMissing => "a cancelled transfer did not come back: the event thread that pumps this handle has stopped, or the host controller hangs",
        _ => "an unknown error",
    };

    private static string Where(Fault fault)
    {
        string where = string.Create(CultureInfo.InvariantCulture, $"after {fault.Sequence} transfers and {fault.BytePosition} bytes");
        return fault.IntactFrom == fault.Sequence
            ? where
            : string.Create(CultureInfo.InvariantCulture, $"{where}, and again within the next {fault.IntactFrom - fault.Sequence} transfers");
    }

    private static string? Code(Fault fault, int code)
    {
        if (!fault.Result.IsSuccess)
        {
            return fault.Result.SystemError == 0
                ? string.Create(CultureInfo.InvariantCulture, $"{fault.Result.Status} {code}")
                : string.Create(CultureInfo.InvariantCulture, $"{fault.Result.Status} {code}, system error {fault.Result.SystemError}");
        }

        return fault.Status == TransferStatus.Completed ? null : string.Create(CultureInfo.InvariantCulture, $"transfer status {fault.Status} {code}");
    }

    private static string? Next(Fault fault) => fault switch
    {
        { Class: FaultClass.Terminal } => "The queue can only be disposed of.",
        { RecoversByItself: true } => "The queue recovers by itself; go on receiving.",
        { AttemptsMade: > 0 } => string.Create(CultureInfo.InvariantCulture, $"The queue gave up after {fault.AttemptsMade} attempts; call RecoverAsync to try again."),
        { Error: BulkInError.CompletionMissing } => "Dispose of the queue.",
        { MetOnTheWayTo: BulkInState.Paused } => "It was met while the queue was being paused and is thrown once; ResumeAsync recovers from it.",
        { MetOnTheWayTo: BulkInState.Stopped } => "It was met while the queue was being stopped and is thrown once.",
        { Error: BulkInError.Interrupted } => "Restore what was taken (claim, alternate setting), then call RecoverAsync.",
        _ => "Call RecoverAsync to go on.",
    };
}
