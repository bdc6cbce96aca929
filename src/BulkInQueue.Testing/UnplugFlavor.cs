namespace BulkIn.Testing;

/// <summary>What an unplug looks like to posted transfers and to the calls after it, by platform.</summary>
public enum UnplugFlavor
{
    /// <summary>Linux: NO_DEVICE for all, newest first; submit, cancel and clear-halt answer "no device".</summary>
    Linux = 0,

    /// <summary>Linux where the bus fails first: ERROR for all, in order; a few submits are still accepted and fail with ERROR; then as
    /// <see cref="Linux"/>. The probe proves nothing before that.</summary>
    LinuxBusError,

    /// <summary>Windows: STALL for all, in order; submit answers an input/output error, clear-halt "no device".</summary>
    Windows,

    /// <summary>macOS on a USB 2 cable: ERROR for all, in order; submit answers "other".</summary>
    MacOSUsb2,

    /// <summary>macOS on a USB 3 cable: CANCELLED for all, in order; submit answers "other".</summary>
    MacOSUsb3,
}
