using System.Globalization;
using System.Runtime.InteropServices;

namespace BulkIn.Bench;

/// <summary>
/// A host as they are usually written: libusb's synchronous calls, one transfer at a time. What the queue is compared with, and bound to libusb on its own
/// so that nothing of the library is in it.
/// </summary>
internal sealed unsafe partial class OneAtATimeReader : IDisposable
{
    private const string LibUsb = "libusb-1.0.so.0";

    private readonly nint _context;
    private readonly nint _device;

    /// <summary>Opens a device and claims its interface 0.</summary>
    public OneAtATimeReader(SysfsDevice device)
    {
        nint context;
        Check(Initialize(&context), "libusb_init");
        _context = context;
        nint* list;
        nint count = List(_context, &list);
        for (nint index = 0; index < count && _device == 0; index++)
        {
            if (BusOf(list[index]) == device.Bus && AddressOf(list[index]) == device.Address)
            {
                nint opened;
                Check(Open(list[index], &opened), "libusb_open");
                _device = opened;
            }
        }

        FreeList(list, 1);
        Check(Claim(_device, 0), "libusb_claim_interface");
    }

    /// <summary>Transfers and waits.</summary>
    /// <returns>Bytes transferred, or null when it timed out.</returns>
    public int? Transfer(byte endpoint, Span<byte> data, TimeSpan timeout)
    {
        const int TimedOut = -7;
        int transferred;
        fixed (byte* bytes = data)
        {
            // SAFETY: the span is pinned until the synchronous call returns.
            int result = BulkTransfer(_device, endpoint, bytes, data.Length, &transferred, (uint)timeout.TotalMilliseconds);
            if (result == TimedOut)
            {
                return null;
            }

            Check(result, "libusb_bulk_transfer");
        }

        return transferred;
    }

    public void Dispose()
    {
        Close(_device);
        Exit(_context);
    }

    private static void Check(int result, string call)
    {
        if (result < 0)
        {
            throw new IOException(string.Create(CultureInfo.InvariantCulture, $"{call} failed with {result}"));
        }
    }

    [LibraryImport(LibUsb, EntryPoint = "libusb_init")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Initialize(nint* context);

    [LibraryImport(LibUsb, EntryPoint = "libusb_get_device_list")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint List(nint context, nint** list);

    [LibraryImport(LibUsb, EntryPoint = "libusb_free_device_list")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial void FreeList(nint* list, int unreference);

    [LibraryImport(LibUsb, EntryPoint = "libusb_get_bus_number")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial byte BusOf(nint device);

    [LibraryImport(LibUsb, EntryPoint = "libusb_get_device_address")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial byte AddressOf(nint device);

    [LibraryImport(LibUsb, EntryPoint = "libusb_open")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(nint device, nint* handle);

    [LibraryImport(LibUsb, EntryPoint = "libusb_claim_interface")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Claim(nint handle, int number);

    [LibraryImport(LibUsb, EntryPoint = "libusb_bulk_transfer")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int BulkTransfer(nint handle, byte endpoint, byte* data, int length, int* transferred, uint timeout);

    [LibraryImport(LibUsb, EntryPoint = "libusb_close")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial void Close(nint handle);

    [LibraryImport(LibUsb, EntryPoint = "libusb_exit")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial void Exit(nint context);
}
