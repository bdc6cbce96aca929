namespace BulkIn.LibUsb;

/// <summary>
/// The functions of libusb that this library calls, one to one and with libusb's own return codes. <see cref="NativeLibUsb"/> is the real one;
/// tests put one in its place that fails, delays and reorders on demand.
/// </summary>
internal unsafe interface ILibUsb
{
    int Init(out nint context);

    void Exit(nint context);

    nint GetDeviceList(nint context, out nint list);

    void FreeDeviceList(nint list, int unrefDevices);

    int GetDeviceDescriptor(nint device, out NativeDeviceDescriptor descriptor);

    int GetActiveConfigDescriptor(nint device, out NativeConfigDescriptor* descriptor);

    void FreeConfigDescriptor(NativeConfigDescriptor* descriptor);

    byte GetBusNumber(nint device);

    byte GetDeviceAddress(nint device);

    int GetDeviceSpeed(nint device);

    int GetPortNumbers(nint device, Span<byte> ports);

    int GetStringDescriptorAscii(nint handle, byte index, Span<byte> text);

    int Open(nint device, out nint handle);

    void Close(nint handle);

    nint GetDevice(nint handle);

    int ClaimInterface(nint handle, int number);

    int ReleaseInterface(nint handle, int number);

    int SetInterfaceAltSetting(nint handle, int number, int alternateSetting);

    int SetAutoDetachKernelDriver(nint handle, int enable);

    int ClearHalt(nint handle, byte endpoint);

    int ResetDevice(nint handle);

    NativeTransfer* AllocTransfer();

    void FreeTransfer(NativeTransfer* transfer);

    int SubmitTransfer(NativeTransfer* transfer);

    int CancelTransfer(NativeTransfer* transfer);

    int HandleEvents(nint context);

    void InterruptEventHandler(nint context);

    /// <summary>libusb_dev_mem_alloc; null also where the library lacks it.</summary>
    byte* DevMemAlloc(nint handle, nuint length);

    int DevMemFree(nint handle, byte* buffer, nuint length);

    /// <summary>libusb_endpoint_supports_raw_io; 0 also where the library lacks it.</summary>
    int EndpointSupportsRawIo(nint handle, byte endpoint);

    int EndpointSetRawIo(nint handle, byte endpoint, int enable);

    int GetMaxRawIoTransferSize(nint handle, byte endpoint);

    /// <summary>The library's name for a code, such as <c>LIBUSB_ERROR_BUSY</c>.</summary>
    string ErrorName(int code);
}
