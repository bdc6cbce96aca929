namespace BulkIn;

/// <summary>The state of a <see cref="BulkInQueue"/>.</summary>
/// <remarks>
/// <code>
/// Running    --fault-->          Recovering --posted again-->     Running
/// Recovering --gave up, or must not recover by itself--> Faulted --RecoverAsync--> Recovering
/// Running, Faulted --PauseAsync--> Paused   --ResumeAsync-->      Running
/// any but Disposed --StopAsync-->  Stopped
/// Running, Recovering, Faulted, Paused --unplug--> Gone
/// any        --DisposeAsync-->   Disposed
/// </code>
/// </remarks>
public enum BulkInState
{
    /// <summary>Slots are posted; data is received.</summary>
    Running = 0,

    /// <summary>A fault is being handled: cancel, drain, clear the halt, post again. Nothing is posted on purpose.</summary>
    Recovering,

    /// <summary>A fault waits for <see cref="BulkInQueue.RecoverAsync"/>. Nothing is posted.</summary>
    Faulted,

    /// <summary>Nothing is posted, on request; what had arrived can be received. <see cref="BulkInQueue.ResumeAsync"/> goes on.</summary>
    Paused,

    /// <summary>Nothing is posted any more, on request; what had arrived can be received.</summary>
    Stopped,

    /// <summary>The device is gone, or the handle was closed by its owner. What had arrived can be received.</summary>
    Gone,

    /// <summary>Disposed of.</summary>
    Disposed,
}
