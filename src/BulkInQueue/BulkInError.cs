namespace BulkIn;

/// <summary>What went wrong. New native codes may get a name of their own in a later version; <see cref="BulkInException.NativeCode"/> keeps the number.</summary>
public enum BulkInError
{
    /// <summary>An error without a name here. Remedy: look at <see cref="BulkInException.NativeCode"/> and set LIBUSB_DEBUG=3.</summary>
    Unknown = 0,

    /// <summary>The device halted the endpoint. Remedy: none needed under automatic recovery; otherwise call <see cref="BulkInQueue.RecoverAsync"/>.</summary>
    Stall,

    /// <summary>A bus error (CRC, missing handshake). Remedy: none needed under automatic recovery; if it repeats, check cable, hub and power.</summary>
    TransferError,

    /// <summary>The device sent more than the transfer could take; the bytes of that transfer are untrusted. Remedy: none needed under automatic
    /// recovery; if it repeats, the device violates its max packet size.</summary>
    Overflow,

    /// <summary>Something outside the queue ended its transfers while the device stayed attached: a reset, a released interface, a deauthorized
    /// device, system sleep, a foreign cancel. Remedy: restore what was taken (claim, alternate setting), then call <see cref="BulkInQueue.RecoverAsync"/>.</summary>
    Interrupted,

    /// <summary>The device was unplugged. Terminal. Remedy: dispose of the queue and the device, wait for the device to come back, open both again.</summary>
    DeviceGone,

    /// <summary>The owner of a foreign handle closed it under the queue. Terminal. Remedy: dispose of the queue before the device that owns the handle.</summary>
    HandleClosed,

    /// <summary>The transport refused to take a transfer, or threw instead (then that is the <see cref="Exception.InnerException"/>). Remedy: claim the interface, check that the active alternate setting has the endpoint.</summary>
    SubmitFailed,

    /// <summary>No memory for USB buffers. Remedy: fewer or smaller buffers, or a larger usbfs limit (the message says where).</summary>
    OutOfMemory,

    /// <summary>A cancelled transfer never completed: the event thread stopped, or the host controller hangs. Remedy: dispose; the memory the hardware
    /// may still write into is kept on purpose.</summary>
    CompletionMissing,

    /// <summary>The user may not open the device. Remedy: a udev rule on Linux (the message has its text); close the other program on Windows.</summary>
    AccessDenied,

    /// <summary>The interface is held by a kernel driver or another program. Remedy: let the kernel driver be detached, or stop the other program.</summary>
    Busy,

    /// <summary>No such device, interface, alternate setting or endpoint. Remedy: list what is there.</summary>
    NotFound,

    /// <summary>The platform or the driver bound to the device cannot do this. Remedy: on Windows install WinUSB for the device, for example with Zadig.</summary>
    NotSupported,

    /// <summary>A control or OUT transfer of the device took longer than its timeout. Remedy: a longer timeout, or drain what the device waits to send.</summary>
    Timeout,

    /// <summary>A message is longer than the limit of <see cref="BulkInQueue.ReadMessageAsync(System.Buffers.IBufferWriter{byte}, long, TimeSpan, CancellationToken)"/>.
    /// What fitted was written, the rest is still in the queue. Remedy: a larger limit; or read on to the end of that message and drop it.</summary>
    MessageTooLong,

    /// <summary>A pump in <see cref="BulkInPumpFullMode.Fault"/> was full: its consumer did not keep up. Nothing is lost. Remedy: a larger capacity, a faster
    /// consumer, or another mode; then a new pump goes on.</summary>
    PumpOverrun,
}
