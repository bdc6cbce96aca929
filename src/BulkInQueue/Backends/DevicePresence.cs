namespace BulkIn.Backends;

/// <summary>What <see cref="IBulkInBackend.ProbeAsync"/> proved.</summary>
public enum DevicePresence
{
    /// <summary>Neither: the bus failed, as it does in the moments around an unplug. Ask again later.</summary>
    Unknown = 0,

    /// <summary>The device answered, refused the request (STALL) or kept silent: it is still attached.</summary>
    Present,

    /// <summary>The operating system no longer knows the device.</summary>
    Gone,
}
