namespace BulkIn;

/// <summary>Who starts recovery after a stall, a bus error or an overflow.</summary>
public enum BulkInRecovery
{
    /// <summary>The queue, at once. Each fault is thrown once, at its position in the stream, then reading goes on.</summary>
    Automatic = 0,

    /// <summary>The user, by <see cref="BulkInQueue.RecoverAsync"/>. Until then the fault is thrown by every receive that reaches its position.</summary>
    Manual,
}
