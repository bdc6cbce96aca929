namespace BulkIn.VirtualUsb;

/// <summary>The port of a host that a device is plugged into.</summary>
internal interface IHostPort
{
    /// <summary>The device's directory in sysfs once the host has configured it, or null until then.</summary>
    string? FindDevice();

    /// <summary>True once the host has taken the device away.</summary>
    bool IsFree { get; }
}
