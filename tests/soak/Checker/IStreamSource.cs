namespace BulkIn.Soak;

/// <summary>Where numbered messages come from: a simulated device, or a real one. The checker knows no more of it.</summary>
internal interface IStreamSource : IAsyncDisposable
{
    /// <summary>Opens a queue on the device, the first time or after the last queue was disposed of. It may wait for the device to come back.</summary>
    ValueTask<BulkInQueue> OpenAsync(CancellationToken cancellationToken);

    /// <summary>Makes the device usable again after an interruption: claims, wakes, authorizes.</summary>
    ValueTask RestoreAsync(CancellationToken cancellationToken);

    /// <summary>Does to the device what a driver does while its queue is paused.</summary>
    /// <returns>True when the device may have lost what it was about to send, of which the queue cannot know.</returns>
    ValueTask<bool> ChangeWhilePausedAsync(CancellationToken cancellationToken);

    /// <summary>True of a message that the device lost in a way that nobody above the kernel can see. Most devices never do.</summary>
    bool IsLostUnseen(long message) => false;
}
