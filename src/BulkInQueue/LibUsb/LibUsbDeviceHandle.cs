using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace BulkIn.LibUsb;

/// <summary>
/// A libusb_device_handle of our own with the event loop that serves it. The last reference, the device's own or that of a queue, a transfer or a
/// buffer, closes it: interfaces released (which gives them back to the kernel's drivers), handle closed, then the loop told to end.
/// </summary>
internal sealed class LibUsbDeviceHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    private readonly ILogger _logger;
    private readonly string _deviceName;
    // Guards _claimed; a leaf: no native call is made under it.
    private readonly Lock _gate = new();
    private readonly SortedDictionary<int, int> _claimed = [];

    /// <summary>Takes over the handle and the started loop.</summary>
    public LibUsbDeviceHandle(ILibUsb libusb, LibUsbEventLoop loop, nint opened, string deviceName, ILogger logger)
        : base(ownsHandle: true)
    {
        LibUsb = libusb;
        Loop = loop;
        _deviceName = deviceName;
        _logger = logger;
        SetHandle(opened);
    }

    public ILibUsb LibUsb { get; }

    public LibUsbEventLoop Loop { get; }

    /// <summary>The claimed interfaces with their active alternate settings, as of now.</summary>
    public IReadOnlyDictionary<int, int> Claimed
    {
        get
        {
            lock (_gate)
            {
                return new SortedDictionary<int, int>(_claimed);
            }
        }
    }

    /// <summary>Notes a claim (setting 0) or the selection of an alternate setting.</summary>
    public void SetClaimed(int number, int alternateSetting)
    {
        lock (_gate)
        {
            _claimed[number] = alternateSetting;
        }
    }

    /// <summary>Notes a release.</summary>
    public void SetReleased(int number)
    {
        lock (_gate)
        {
            _ = _claimed.Remove(number);
        }
    }

    /// <summary>Notes a reset: every interface is back in setting 0.</summary>
    public void SetAllAlternateSettingsToZero()
    {
        lock (_gate)
        {
            foreach (int number in _claimed.Keys.ToArray())
            {
                _claimed[number] = 0;
            }
        }
    }

    protected override bool ReleaseHandle()
    {
        if (Loop.IsCurrentThread)
        {
            // libusb_close waits for the callback in progress, which would be us.
            nint closing = handle;
            _ = ThreadPool.UnsafeQueueUserWorkItem(static state => state.Owner.CloseAndStop(state.Closing), (Owner: this, Closing: closing), preferLocal: false);
        }
        else
        {
            CloseAndStop(handle);
        }

        return true;
    }

    private void CloseAndStop(nint closing)
    {
        // Last reference: nobody else is in this object any more.
        foreach (int number in _claimed.Keys)
        {
            int code = LibUsb.ReleaseInterface(closing, number);
            if (code is not (LibUsbCode.Success or LibUsbCode.NoDevice or LibUsbCode.NotFound))
            {
                LibUsbLog.ReleaseFailed(_logger, _deviceName, number, LibUsb.ErrorName(code), code);
            }
        }

        LibUsb.Close(closing);
        Loop.Stop();
    }
}
