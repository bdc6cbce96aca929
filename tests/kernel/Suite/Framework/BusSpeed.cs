namespace BulkIn.Bench;

/// <summary>The speed of the bus a case runs on.</summary>
internal enum BusSpeed
{
    /// <summary>480 Mbit/s: packets of 512 bytes.</summary>
    High,

    /// <summary>5 Gbit/s: packets of 1024 bytes.</summary>
    Super,
}
