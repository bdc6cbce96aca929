namespace BulkIn.Backends;

/// <summary>What a transport does differently from the plain case (libusb on Linux with pinned memory).</summary>
[Flags]
public enum BulkInCapabilities
{
    /// <summary>The plain case.</summary>
    None = 0,

    /// <summary>The transport clears a halt by itself (WinUSB's AUTO_CLEAR_STALL); a second clear would cost a packet, so the queue sends none.</summary>
    ClearsHaltItself = 1 << 0,

    /// <summary>Cancelling one transfer aborts every transfer of the endpoint (macOS), so the queue cancels one and waits for all.</summary>
    CancelAbortsEndpoint = 1 << 1,

    /// <summary>A stall may also mean that the device was unplugged (Windows), so the queue probes before it recovers.</summary>
    StallMayMeanGone = 1 << 2,

    /// <summary>Somebody else owns the handle and may close it; the queue watches <see cref="IBulkInBackend.IsClosed"/>.</summary>
    OwnerMayClose = 1 << 3,

    /// <summary>WinUSB's RAW_IO is enabled for the endpoint: the driver does not queue or split reads itself.</summary>
    RawIo = 1 << 4,

    /// <summary>Buffers are device memory that the controller writes directly, without a copy in the kernel.</summary>
    DeviceMemory = 1 << 5,
}
