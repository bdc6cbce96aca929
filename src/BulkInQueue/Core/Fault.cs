using BulkIn.Backends;

namespace BulkIn.Core;

/// <summary>What recovery may do about a fault.</summary>
internal enum FaultClass
{
    /// <summary>Stall, bus error, overflow, refused submit: recovered automatically, if the options say so.</summary>
    Recoverable = 0,

    /// <summary>Something outside the queue took the endpoint away: only the user knows when it is back.</summary>
    Interrupted,

    /// <summary>The device is gone or its handle closed.</summary>
    Terminal,
}

/// <summary>
/// One generation's fault: a value inside the queue, an exception only at its edge. Guarded by the pool's gate until published, constant after.
/// </summary>
internal sealed class Fault
{
    public BulkInError Error { get; set; }

    public FaultClass Class { get; set; }

    /// <summary>The failed transfer's status; <see cref="TransferStatus.Completed"/> when a call failed instead.</summary>
    public TransferStatus Status { get; init; }

    /// <summary>The transport's number for <see cref="Status"/>.</summary>
    public int NativeStatus { get; init; }

    /// <summary>The failed call's result; success when a transfer's status is the cause.</summary>
    public BackendResult Result { get; set; }

    /// <summary>What the backend's submit threw, when that is why the submit counts as refused.</summary>
    public Exception? Thrown { get; set; }

    /// <summary>The <see cref="BulkInResult.Sequence"/> that the next transfer gets.</summary>
    public long Sequence { get; set; }

    public long BytePosition { get; set; }

    /// <summary>The <see cref="BulkInResult.Sequence"/> from which on no transfer of the generation is missing.</summary>
    public long IntactFrom { get; set; }

    /// <summary>Attempts made when the queue gave up; 0 before.</summary>
    public int AttemptsMade { get; init; }

    public bool RecoversByItself { get; set; }

    /// <summary>Paused or Stopped when it was met on the way there: then it is thrown once and waits for no recovery. Running otherwise.</summary>
    public BulkInState MetOnTheWayTo { get; set; }

    /// <summary>Classified: receives may throw it. Until then they wait at its position.</summary>
    public bool Published { get; set; }

    /// <summary>Thrown at least once.</summary>
    public bool Delivered { get; set; }

    /// <summary>The same fault for the end of the stream, once the queue gave up on it.</summary>
    /// <param name="attempts">How many times recovery was tried.</param>
    public Fault GivenUp(int attempts) => new()
    {
        Error = Error,
        Class = Class,
        Status = Status,
        NativeStatus = NativeStatus,
        Result = Result,
        Thrown = Thrown,
        Sequence = Sequence,
        BytePosition = BytePosition,
        IntactFrom = IntactFrom,
        AttemptsMade = attempts,
    };

    /// <summary>The fault that a failed transfer stands for.</summary>
    public static Fault OfTransfer(TransferStatus status, int nativeStatus) => new()
    {
        Status = status,
        NativeStatus = nativeStatus,
        Error = status switch
        {
            TransferStatus.Stall => BulkInError.Stall,
            TransferStatus.Overflow => BulkInError.Overflow,
            TransferStatus.Cancelled or TransferStatus.NoDevice => BulkInError.Interrupted,
            _ => BulkInError.TransferError,
        },
        Class = IsInterruption(status) ? FaultClass.Interrupted : FaultClass.Recoverable,
    };

    /// <summary>The fault that a refused submit stands for.</summary>
    /// <param name="result">Its result.</param>
    /// <param name="thrown">What it threw instead of answering.</param>
    public static Fault OfCall(BackendResult result, Exception? thrown = null) => new()
    {
        Result = result,
        Thrown = thrown,
        Error = result.Status switch
        {
            BackendStatus.NoDevice => BulkInError.DeviceGone,
            BackendStatus.HandleClosed => BulkInError.HandleClosed,
            BackendStatus.NoMemory => BulkInError.OutOfMemory,
            BackendStatus.Pipe => BulkInError.Stall,
            _ => BulkInError.SubmitFailed,
        },
        Class = result.Status is BackendStatus.NoDevice or BackendStatus.HandleClosed ? FaultClass.Terminal : FaultClass.Recoverable,
    };

    /// <summary>Clearing the halt failed: the fault that it was to mend goes on, with the call's result.</summary>
    public static Fault OfClear(Fault? cause, BackendResult result) => new()
    {
        Result = result,
        Error = result.Status == BackendStatus.HandleClosed ? BulkInError.HandleClosed : cause?.Error ?? BulkInError.Stall,
        Class = result.Status == BackendStatus.HandleClosed ? FaultClass.Terminal : FaultClass.Recoverable,
        Sequence = cause?.Sequence ?? 0,
        BytePosition = cause?.BytePosition ?? 0,
        IntactFrom = cause?.IntactFrom ?? 0,
    };

    /// <summary>NO_DEVICE as a transfer status is no proof of an unplug, and a cancel we did not ask for comes from outside.</summary>
    public static bool IsInterruption(TransferStatus status) => status is TransferStatus.Cancelled or TransferStatus.NoDevice;
}
