using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: DisableRuntimeMarshalling]
[assembly: DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]

namespace BulkIn.LibUsb;

/// <summary>The libusb that is loaded in this process.</summary>
/// <remarks>
/// Every function here is in libusb 1.0.21 (2016) and later, except those bound in the constructor, which answer as a library that cannot do it where
/// they are missing. No import sets the last error (it costs five times the call); the callers that want errno read it right after a failure.
/// </remarks>
internal sealed unsafe partial class NativeLibUsb : ILibUsb
{
    // The default convention of the platform is LIBUSB_CALL everywhere (stdcall on 32-bit Windows).
    private readonly delegate* unmanaged<nint, nuint, byte*> _devMemAlloc;
    private readonly delegate* unmanaged<nint, byte*, nuint, int> _devMemFree;
    private readonly delegate* unmanaged<nint, byte, int> _supportsRawIo;
    private readonly delegate* unmanaged<nint, byte, int, int> _setRawIo;
    private readonly delegate* unmanaged<nint, byte, int> _maxRawIoTransferSize;

    /// <summary>Binds the late-added exports. Constructed by <see cref="LibUsbLibrary.Load"/> only, after the resolver is in place.</summary>
    public NativeLibUsb(nint module)
    {
        // SAFETY: signatures as in libusb.h; the module is never unloaded.
        _devMemAlloc = (delegate* unmanaged<nint, nuint, byte*>)Optional(module, "libusb_dev_mem_alloc");
        _devMemFree = (delegate* unmanaged<nint, byte*, nuint, int>)Optional(module, "libusb_dev_mem_free");
        _supportsRawIo = (delegate* unmanaged<nint, byte, int>)Optional(module, "libusb_endpoint_supports_raw_io");
        _setRawIo = (delegate* unmanaged<nint, byte, int, int>)Optional(module, "libusb_endpoint_set_raw_io");
        _maxRawIoTransferSize = (delegate* unmanaged<nint, byte, int>)Optional(module, "libusb_get_max_raw_io_transfer_size");
    }

    private static nint Optional(nint module, string name) => NativeLibrary.TryGetExport(module, name, out nint address) ? address : 0;

    public int Init(out nint context)
    {
        nint created = 0;
        int code = libusb_init(&created);
        context = created;
        return code;
    }

    public void Exit(nint context) => libusb_exit(context);

    public nint GetDeviceList(nint context, out nint list)
    {
        nint devices = 0;
        nint count = libusb_get_device_list(context, &devices);
        list = devices;
        return count;
    }

    public void FreeDeviceList(nint list, int unrefDevices) => libusb_free_device_list(list, unrefDevices);

    public int GetDeviceDescriptor(nint device, out NativeDeviceDescriptor descriptor)
    {
        NativeDeviceDescriptor read = default;
        int code = libusb_get_device_descriptor(device, &read);
        descriptor = read;
        return code;
    }

    public int GetActiveConfigDescriptor(nint device, out NativeConfigDescriptor* descriptor)
    {
        NativeConfigDescriptor* read = null;
        int code = libusb_get_active_config_descriptor(device, &read);
        descriptor = read;
        return code;
    }

    public void FreeConfigDescriptor(NativeConfigDescriptor* descriptor) => libusb_free_config_descriptor(descriptor);

    public byte GetBusNumber(nint device) => libusb_get_bus_number(device);

    public byte GetDeviceAddress(nint device) => libusb_get_device_address(device);

    public int GetDeviceSpeed(nint device) => libusb_get_device_speed(device);

    public int GetPortNumbers(nint device, Span<byte> ports)
    {
        fixed (byte* start = ports)
        {
            return libusb_get_port_numbers(device, start, ports.Length);
        }
    }

    public int GetStringDescriptorAscii(nint handle, byte index, Span<byte> text)
    {
        fixed (byte* start = text)
        {
            return libusb_get_string_descriptor_ascii(handle, index, start, text.Length);
        }
    }

    public int Open(nint device, out nint handle)
    {
        nint opened = 0;
        int code = libusb_open(device, &opened);
        handle = opened;
        return code;
    }

    public void Close(nint handle) => libusb_close(handle);

    public nint GetDevice(nint handle) => libusb_get_device(handle);

    public int ClaimInterface(nint handle, int number) => libusb_claim_interface(handle, number);

    public int ReleaseInterface(nint handle, int number) => libusb_release_interface(handle, number);

    public int SetInterfaceAltSetting(nint handle, int number, int alternateSetting) => libusb_set_interface_alt_setting(handle, number, alternateSetting);

    public int SetAutoDetachKernelDriver(nint handle, int enable) => libusb_set_auto_detach_kernel_driver(handle, enable);

    public int ClearHalt(nint handle, byte endpoint) => libusb_clear_halt(handle, endpoint);

    public int ResetDevice(nint handle) => libusb_reset_device(handle);

    public NativeTransfer* AllocTransfer() => libusb_alloc_transfer(0);

    public void FreeTransfer(NativeTransfer* transfer) => libusb_free_transfer(transfer);

    public int SubmitTransfer(NativeTransfer* transfer) => libusb_submit_transfer(transfer);

    public int CancelTransfer(NativeTransfer* transfer) => libusb_cancel_transfer(transfer);

    public int HandleEvents(nint context) => libusb_handle_events_completed(context, null);

    public void InterruptEventHandler(nint context) => libusb_interrupt_event_handler(context);

    public byte* DevMemAlloc(nint handle, nuint length) => _devMemAlloc is null || _devMemFree is null ? null : _devMemAlloc(handle, length);

    public int DevMemFree(nint handle, byte* buffer, nuint length) => _devMemFree is null ? LibUsbCode.NotSupported : _devMemFree(handle, buffer, length);

    public int EndpointSupportsRawIo(nint handle, byte endpoint) =>
        _supportsRawIo is null || _setRawIo is null || _maxRawIoTransferSize is null ? 0 : _supportsRawIo(handle, endpoint);

    public int EndpointSetRawIo(nint handle, byte endpoint, int enable) => _setRawIo is null ? LibUsbCode.NotSupported : _setRawIo(handle, endpoint, enable);

    public int GetMaxRawIoTransferSize(nint handle, byte endpoint) => _maxRawIoTransferSize is null ? LibUsbCode.NotSupported : _maxRawIoTransferSize(handle, endpoint);

    // SAFETY: libusb answers a static string.
    public string ErrorName(int code) => Marshal.PtrToStringUTF8((nint)libusb_error_name(code)) ?? "unknown";

#pragma warning disable IDE1006, SA1300 // The imports keep the names of the C header they declare.

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial int libusb_init(nint* context);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial void libusb_exit(nint context);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial nint libusb_get_device_list(nint context, nint* list);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial void libusb_free_device_list(nint list, int unrefDevices);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial int libusb_get_device_descriptor(nint device, NativeDeviceDescriptor* descriptor);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial int libusb_get_active_config_descriptor(nint device, NativeConfigDescriptor** descriptor);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial void libusb_free_config_descriptor(NativeConfigDescriptor* descriptor);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial byte libusb_get_bus_number(nint device);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial byte libusb_get_device_address(nint device);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial int libusb_get_device_speed(nint device);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial int libusb_get_port_numbers(nint device, byte* ports, int length);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial int libusb_get_string_descriptor_ascii(nint handle, byte index, byte* text, int length);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial int libusb_open(nint device, nint* handle);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial void libusb_close(nint handle);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial nint libusb_get_device(nint handle);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial int libusb_claim_interface(nint handle, int number);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial int libusb_release_interface(nint handle, int number);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial int libusb_set_interface_alt_setting(nint handle, int number, int alternateSetting);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial int libusb_set_auto_detach_kernel_driver(nint handle, int enable);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial int libusb_clear_halt(nint handle, byte endpoint);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial int libusb_reset_device(nint handle);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial NativeTransfer* libusb_alloc_transfer(int isoPackets);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial void libusb_free_transfer(NativeTransfer* transfer);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial int libusb_submit_transfer(NativeTransfer* transfer);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial int libusb_cancel_transfer(NativeTransfer* transfer);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial int libusb_handle_events_completed(nint context, int* completed);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial void libusb_interrupt_event_handler(nint context);

    [LibraryImport(LibUsbLibrary.ImportName)]
    private static partial byte* libusb_error_name(int code);

#pragma warning restore IDE1006, SA1300
}
