namespace BulkIn;

/// <summary>An OUT or control transfer of a <see cref="LibUsbDevice"/> was cancelled by its token after part of it may have gone over the bus.</summary>
public sealed class LibUsbTransferCanceledException : OperationCanceledException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="bytesTransferred">Bytes of the data that went over the bus.</param>
    /// <param name="cancellationToken">The token that asked for it.</param>
    public LibUsbTransferCanceledException(int bytesTransferred, CancellationToken cancellationToken)
        : base($"The transfer was cancelled after {bytesTransferred} bytes.", cancellationToken)
    {
        BytesTransferred = bytesTransferred;
    }

    /// <summary>Bytes of the data that went over the bus before the cancel took effect.</summary>
    public int BytesTransferred { get; }
}
