using BulkIn.LibUsb;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace BulkIn.Tests.LibUsb;

/// <summary>A device handle as another library has it: it closes natively when the last reference is gone.</summary>
internal sealed class ForeignHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    private readonly ILibUsb _libusb;

    public ForeignHandle(ILibUsb libusb)
        : base(ownsHandle: true)
    {
        _libusb = libusb;
        Assert.Equal(0, libusb.Open(FakeLibUsb.Device, out nint opened));
        SetHandle(opened);
    }

    public nint Native => handle;

    protected override bool ReleaseHandle()
    {
        if (_libusb is FakeLibUsb fake)
        {
            fake.Orphan(handle);
        }

        return true;
    }
}
