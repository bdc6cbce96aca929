using System.Runtime.InteropServices;
using LibUsbDotNet.LibUsb;
using LibUsbDotNet.Main;

namespace BulkIn;

/// <summary>Opens a queue on a device that LibUsbDotNet 3 opened.</summary>
/// <remarks>
/// <para><b>Before</b>: <c>device.Open()</c>, then <c>device.ClaimInterface(n)</c>. Opening starts the event thread of the device's <c>UsbContext</c>, which is the
/// one that completes the queue's transfers, too.</para>
/// <para><b>After</b>: dispose of the queue first, then close the device, then dispose of its context. Closed in the wrong order (disposing of the context closes its devices, too), the queue
/// notices within a second, every receive throws <see cref="BulkInError.HandleClosed"/>, and the buffers that the kernel may still write to are kept for good. Events that nobody handles any
/// more, while the device stays open, cannot be noticed while the queue is idle.</para>
/// <para><b>One reader for each endpoint</b>: none of LibUsbDotNet's own readers on an endpoint that has a queue.</para>
/// </remarks>
public static class LibUsbDotNetExtensions
{
    /// <summary>Opens a queue on an IN endpoint.</summary>
    /// <param name="device">An open device; the interface of the endpoint claimed.</param>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="depth">Transfers kept posted, 1 to <see cref="BulkInQueueOptions.MaximumDepth"/>.</param>
    /// <param name="bufferLength">Bytes of each transfer: a positive multiple of the endpoint's max packet size.</param>
    /// <returns>A queue with every slot posted. Dispose of it before the device.</returns>
    /// <inheritdoc cref="OpenBulkInQueue(IUsbDevice, byte, BulkInQueueOptions?)" path="/exception"/>
    public static BulkInQueue OpenBulkInQueue(this IUsbDevice device, ReadEndpointID endpoint, int depth, int bufferLength) =>
        OpenBulkInQueue(device, (byte)endpoint, depth, bufferLength);

    /// <summary>Opens a queue on an IN endpoint.</summary>
    /// <param name="device">An open device; the interface of the endpoint claimed.</param>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="options">How; default values when null.</param>
    /// <returns>A queue with every slot posted. Dispose of it before the device.</returns>
    /// <inheritdoc cref="OpenBulkInQueue(IUsbDevice, byte, BulkInQueueOptions?)" path="/exception"/>
    public static BulkInQueue OpenBulkInQueue(this IUsbDevice device, ReadEndpointID endpoint, BulkInQueueOptions? options = null) =>
        OpenBulkInQueue(device, (byte)endpoint, options);

    /// <summary>Opens a queue on an IN endpoint.</summary>
    /// <param name="device">An open device; the interface of the endpoint claimed.</param>
    /// <param name="endpoint">The endpoint's address, 0x81 to 0x8F.</param>
    /// <param name="depth">Transfers kept posted, 1 to <see cref="BulkInQueueOptions.MaximumDepth"/>.</param>
    /// <param name="bufferLength">Bytes of each transfer: a positive multiple of the endpoint's max packet size.</param>
    /// <returns>A queue with every slot posted. Dispose of it before the device.</returns>
    /// <inheritdoc cref="OpenBulkInQueue(IUsbDevice, byte, BulkInQueueOptions?)" path="/exception"/>
    public static BulkInQueue OpenBulkInQueue(this IUsbDevice device, byte endpoint, int depth, int bufferLength) =>
        OpenBulkInQueue(device, endpoint, new BulkInQueueOptions { Depth = depth, BufferLength = bufferLength });

    /// <summary>Opens a queue on an IN endpoint.</summary>
    /// <param name="device">An open device; the interface of the endpoint claimed. The interface and its active alternate setting are looked up, unless the
    /// options name them.</param>
    /// <param name="endpoint">The endpoint's address, 0x81 to 0x8F.</param>
    /// <param name="options">How; default values when null.</param>
    /// <returns>A queue with every slot posted. Dispose of it before the device.</returns>
    /// <exception cref="ArgumentException">An argument or option is out of its range, there is no such endpoint in the active alternate setting, or the buffer length is no
    /// positive multiple of its max packet size; the message says what there is.</exception>
    /// <exception cref="InvalidOperationException">The device is not open, the endpoint has a queue already, or LibUsbDotNet uses another copy of libusb than this library:
    /// a handle is only valid in the copy that made it.</exception>
    /// <exception cref="BulkInException">A transfer was refused.</exception>
    /// <exception cref="DllNotFoundException">libusb is not installed; the message says how to.</exception>
    public static BulkInQueue OpenBulkInQueue(this IUsbDevice device, byte endpoint, BulkInQueueOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        SafeHandle handle = device.DeviceHandle
            ?? throw new InvalidOperationException("The device is not open: call its Open and ClaimInterface before OpenBulkInQueue.");

        // Both copies are in the process now, if there are two: LibUsbDotNet's since the device was opened.
        LibUsbDevice.LoadLibrary();
        LoadedLibUsb.CheckSingle(LoadedLibUsb.Paths());
        return BulkInQueue.Open(handle, endpoint, ActiveSetting.Complete(options ?? new BulkInQueueOptions(), device, endpoint));
    }
}
