using System.Runtime.InteropServices;

namespace BulkIn.LibUsb;

/// <summary>
/// Access to a handle that somebody else opened, pumps and will close. It holds a reference only for the length of each native call: holding one
/// longer would defer the owner's libusb_close, which is the wake-up that LibUsbDotNet's Close waits for.
/// </summary>
internal sealed class ForeignHandleAccess(ILibUsb libusb, SafeHandle handle) : IDeviceAccess
{
    public ILibUsb LibUsb { get; } = libusb;

    public bool OwnerMayClose => true;

    public bool IsClosed => handle.IsClosed || handle.IsInvalid;

    public bool TryEnter(out nint native)
    {
        native = 0;
        if (IsClosed)
        {
            return false;
        }

        bool added = false;
        try
        {
            handle.DangerousAddRef(ref added);
        }
        catch (ObjectDisposedException)
        {
            // Closed between the look and the reference.
            return false;
        }

        native = handle.DangerousGetHandle();
        return true;
    }

    /// <summary>May run the owner's libusb_close here, when the owner closed meanwhile; that waits for a callback in progress, and ours wait for nothing.</summary>
    public void Exit() => handle.DangerousRelease();

    public void TransferStarting()
    {
    }

    public void TransferEnded()
    {
    }

    public IDeviceAccess Share() => this;

    public void Dispose()
    {
    }
}
