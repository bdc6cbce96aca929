namespace BulkIn.Backends;

/// <summary>The queue's side of a transfer: told once for every successful <see cref="IBulkInTransfer.Submit"/>.</summary>
public interface ITransferCompletion
{
    /// <summary>
    /// Reports the end of a transfer. It only signals: no lock, no allocation, no exception, no user code, so it may be called from
    /// any thread, inside any libusb callback. The caller must not touch the transfer or its buffer afterwards.
    /// </summary>
    /// <param name="status">How it ended.</param>
    /// <param name="actualLength">Bytes in the buffer, whatever the status. Values outside the buffer are clamped.</param>
    /// <param name="nativeStatus">The transport's own number for <paramref name="status"/>, kept for messages.</param>
    void Complete(TransferStatus status, int actualLength, int nativeStatus);
}
