using BulkIn.Backends;

namespace BulkIn.Testing;

/// <summary>Backend results with the numbers that libusb would have for them.</summary>
public static class SimulatedResults
{
    /// <summary>A result with its <c>libusb_error</c> number.</summary>
    /// <param name="status">The outcome.</param>
    /// <param name="systemError">The operating system's error number, 0 when it has none.</param>
    /// <returns>The result.</returns>
    public static BackendResult Of(BackendStatus status, int systemError = 0) => new(
        status,
        status switch
        {
            BackendStatus.Success => 0,
            BackendStatus.Io => -1,
            BackendStatus.InvalidParameter => -2,
            BackendStatus.Access => -3,
            BackendStatus.NoDevice => -4,
            BackendStatus.NotFound => -5,
            BackendStatus.Busy => -6,
            BackendStatus.Timeout => -7,
            BackendStatus.Overflow => -8,
            BackendStatus.Pipe => -9,
            BackendStatus.Interrupted => -10,
            BackendStatus.NoMemory => -11,
            BackendStatus.NotSupported => -12,
            BackendStatus.HandleClosed => 0,
            _ => -99,
        },
        systemError);
}
