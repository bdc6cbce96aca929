using BulkIn.LibUsb;
using Xunit;

namespace BulkIn.Tests.LibUsb;

/// <summary>The libusb of this machine, or a skipped test.</summary>
internal static class RealLibUsb
{
    public static ILibUsb Require()
    {
        try
        {
            return LibUsbLibrary.Load();
        }
        catch (DllNotFoundException exception)
        {
            throw new SkipException(exception.Message);
        }
    }
}
