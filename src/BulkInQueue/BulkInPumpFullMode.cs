namespace BulkIn;

/// <summary>
/// What a <see cref="BulkInPump"/> does with a packet that arrives while its capacity is used up. The first four mean what they mean in
/// <see cref="System.Threading.Channels.BoundedChannelFullMode"/>.
/// </summary>
public enum BulkInPumpFullMode
{
    /// <summary>Waits for the consumer. Nothing is lost; from then on the endpoint is drained only as fast as the consumer reads, after the queue's own slots
    /// have filled. The default.</summary>
    Wait = 0,

    /// <summary>Drops the packet that waits longest: the consumer sees the latest data. For live values.</summary>
    DropOldest,

    /// <summary>Drops the packet that waits shortest and takes the new one in its place.</summary>
    DropNewest,

    /// <summary>Drops the packet that just arrived: the consumer sees an unbroken beginning.</summary>
    DropWrite,

    /// <summary>Takes this one packet more, then ends the pump with <see cref="BulkInError.PumpOverrun"/>. Nothing is lost: what arrives later waits in the
    /// queue.</summary>
    Fault,
}
