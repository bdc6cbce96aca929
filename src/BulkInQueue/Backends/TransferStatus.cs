namespace BulkIn.Backends;

/// <summary>How a transfer ended. The values are those of libusb's <c>libusb_transfer_status</c>.</summary>
public enum TransferStatus
{
    /// <summary>The transfer ended as it should: buffer full, short packet or zero-length packet.</summary>
    Completed = 0,

    /// <summary>A bus error, such as a missing handshake or a bad CRC after the controller's own retries.</summary>
    Error = 1,

    /// <summary>A transfer timeout. The queue sets none, so this is treated as <see cref="Error"/>.</summary>
    TimedOut = 2,

    /// <summary>Cancelled, by the queue or by something outside of it. It may carry data.</summary>
    Cancelled = 3,

    /// <summary>The endpoint is halted.</summary>
    Stall = 4,

    /// <summary>The device did not take part any more: unplugged, reset, released, deauthorized or asleep.</summary>
    NoDevice = 5,

    /// <summary>The device sent more than fits; the bytes received cannot be trusted.</summary>
    Overflow = 6,
}
