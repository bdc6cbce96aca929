namespace BulkIn.Core;

/// <summary>
/// A slot's state. The buffer belongs to the transport in <see cref="Posted"/> and to the queue in the other states.
/// </summary>
/// <remarks>
/// <code>
/// Idle      --SlotPoster.PostIdle (gate held)-->      Posted
/// Posted    --submit refused (gate held)-->           Idle
/// Posted    --Slot.Complete (any thread, no lock)-->  Completed
/// Completed --SlotPoster.Harvest (gate held)-->       Idle
/// </code>
/// </remarks>
internal enum SlotState
{
    /// <summary>Not in the posted FIFO; has no buffer. It is in the poster's idle list.</summary>
    Idle = 0,

    /// <summary>In the posted FIFO; exactly one completion will come.</summary>
    Posted,

    /// <summary>In the posted FIFO; status and length are published.</summary>
    Completed,
}
