using System.Globalization;
using System.Runtime.InteropServices;

namespace BulkIn.Bench;

/// <summary>libusb as another program or library binds it: on its own, so that nothing of ours is in it.</summary>
internal static unsafe partial class LibUsbCalls
{
    private const string LibUsb = "libusb-1.0.so.0";

    /// <summary>Opens a device in a context and claims its interface 0.</summary>
    /// <returns>The <c>libusb_device_handle</c>.</returns>
    public static nint OpenAndClaim(nint context, SysfsDevice device)
    {
        nint* list;
        nint count = List(context, &list);
        nint handle = 0;
        for (nint index = 0; index < count; index++)
        {
            if (BusOf(list[index]) == device.Bus && AddressOf(list[index]) == device.Address)
            {
                Check(Open(list[index], &handle), "libusb_open");
                break;
            }
        }

        FreeList(list, 1);
        Check(Claim(handle, 0), "libusb_claim_interface");
        return handle;
    }

    /// <summary>Creates a context.</summary>
    public static nint Initialize()
    {
        nint context;
        Check(Initialize(&context), "libusb_init");
        return context;
    }

    /// <summary>Throws for an error code.</summary>
    public static void Check(int result, string call)
    {
        if (result < 0)
        {
            throw new IOException(string.Create(CultureInfo.InvariantCulture, $"{call} failed with {result}"));
        }
    }

    [LibraryImport(LibUsb, EntryPoint = "libusb_bulk_transfer")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int BulkTransfer(nint handle, byte endpoint, byte* data, int length, int* transferred, uint timeout);

    [LibraryImport(LibUsb, EntryPoint = "libusb_handle_events_completed")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int HandleEvents(nint context, int* completed);

    [LibraryImport(LibUsb, EntryPoint = "libusb_interrupt_event_handler")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial void InterruptEventHandler(nint context);

    [LibraryImport(LibUsb, EntryPoint = "libusb_close")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial void Close(nint handle);

    [LibraryImport(LibUsb, EntryPoint = "libusb_exit")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial void Exit(nint context);

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
}
