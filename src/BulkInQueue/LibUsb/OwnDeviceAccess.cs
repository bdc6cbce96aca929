namespace BulkIn.LibUsb;

/// <summary>Access to a handle of our own: it holds a reference until it is disposed of, so the handle and its event loop cannot end before.</summary>
internal sealed class OwnDeviceAccess : IDeviceAccess
{
    private readonly LibUsbDeviceHandle _device;
    private readonly nint _handle;
    private int _released;

    /// <summary>Takes the reference.</summary>
    /// <exception cref="ObjectDisposedException">The device is disposed of.</exception>
    public OwnDeviceAccess(LibUsbDeviceHandle device)
    {
        bool added = false;
        device.DangerousAddRef(ref added);
        _device = device;
        _handle = device.DangerousGetHandle();
    }

    public ILibUsb LibUsb => _device.LibUsb;

    public bool OwnerMayClose => false;

    public bool IsClosed => false;

    public bool TryEnter(out nint handle)
    {
        handle = _handle;
        return true;
    }

    public void Exit()
    {
    }

    public void TransferStarting() => _device.Loop.Enter();

    public void TransferEnded() => _device.Loop.Leave();

    public IDeviceAccess Share() => new OwnDeviceAccess(_device);

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _released, 1) == 0)
        {
            _device.DangerousRelease();
        }
    }
}
