namespace BulkIn.Backends;

/// <summary>What a call into the transport answered. <see langword="default"/> is success.</summary>
/// <param name="Status">The outcome.</param>
/// <param name="NativeCode">The transport's own number for it (a <c>libusb_error</c>), kept for messages; 0 for success.</param>
/// <param name="SystemError">The operating system's error number behind it, best effort; 0 when unknown.</param>
public readonly record struct BackendResult(BackendStatus Status, int NativeCode = 0, int SystemError = 0)
{
    /// <summary>True for success.</summary>
    public bool IsSuccess => Status == BackendStatus.Success;
}
