using System.Globalization;
using System.Runtime.InteropServices;
using BulkIn.Backends;
using BulkIn.Diagnostics;
using BulkIn.LibUsb;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace BulkIn;

/// <summary>
/// A USB device opened through libusb, with an event thread of its own: enough to claim an interface, talk to the device and open a
/// <see cref="BulkInQueue"/> on it.
/// </summary>
/// <remarks>
/// <para>Every member may be called from any thread. The asynchronous ones resume elsewhere than on the event thread.</para>
/// <para><b>Disposal while a queue is open</b>: the device takes no new calls, but a queue, a transfer in flight and a lease of device memory each
/// keep the handle, its claims and its event thread until they end. Dispose of the queues first where the order matters to the device.</para>
/// <para><b>Which libusb</b>: libusb-1.0 1.0.21 or newer, found by its platform's name (<c>libusb-1.0.so.0</c>, <c>libusb-1.0.dll</c>,
/// <c>libusb-1.0.0.dylib</c>), so that a copy already in the process is the one used. The environment variable <c>BULKINQUEUE_LIBUSB</c> names
/// another one by its path. Where there is none, the first call throws <see cref="DllNotFoundException"/> and says how to install it.</para>
/// </remarks>
public sealed class LibUsbDevice : IAsyncDisposable, IDisposable
{
    private const int SetupLength = 8;
    private const int HighestInterface = 255;
    private static readonly TimeSpan ProbeBound = TimeSpan.FromSeconds(1);

    private readonly ILibUsb _libusb;
    private readonly LibUsbDeviceHandle _handle;
    private readonly LibUsbPlatform _platform;
    private readonly LibUsbRemedy _remedy;

    // The handle itself only tells once the last queue, transfer or lease let it go.
    private volatile bool _disposed;

    private LibUsbDevice(ILibUsb libusb, LibUsbDeviceHandle handle, LibUsbDeviceInfo info, LibUsbPlatform platform)
    {
        _libusb = libusb;
        _handle = handle;
        _platform = platform;
        _remedy = new LibUsbRemedy(platform, info.VendorId, info.ProductId);
        Info = info;
    }

    /// <summary>The device as it was when it was opened.</summary>
    public LibUsbDeviceInfo Info { get; }

    /// <summary>The event loop, for tests of its end.</summary>
    internal LibUsbEventLoop Loop => _handle.Loop;

    /// <summary>Loads libusb, as every other member does when it first needs it: for a program that wants to learn at its start that there is none, and for code that
    /// brings a handle of its own and must know that libusb is in the process.</summary>
    /// <exception cref="DllNotFoundException">libusb is not installed; the message says how to.</exception>
    public static void LoadLibrary() => _ = LibUsbLibrary.Load();

    /// <summary>Lists the devices that are attached, root hubs included, by bus and port. Opens none on Linux; elsewhere each one briefly, for its serial
    /// number, where that is permitted.</summary>
    /// <returns>The devices; empty when there is no USB at all.</returns>
    /// <exception cref="DllNotFoundException">libusb is not installed; the message says how to.</exception>
    /// <exception cref="BulkInException">libusb could not be initialised or could not list.</exception>
    public static IReadOnlyList<LibUsbDeviceInfo> List() => List(LibUsbLibrary.Load(), LibUsbPlatforms.Current);

    /// <summary>Opens a device by its ids, and starts its event thread. Nothing is claimed.</summary>
    /// <param name="vendorId">idVendor.</param>
    /// <param name="productId">idProduct.</param>
    /// <param name="serialNumber">The serial number, compared exactly; <see langword="null"/> for the first device with the ids, in the order of
    /// <see cref="List()"/>.</param>
    /// <param name="logger">Where trouble of the event thread and of the release of interfaces is logged; default nowhere.</param>
    /// <returns>The device, to be disposed of.</returns>
    /// <exception cref="DllNotFoundException">libusb is not installed; the message says how to.</exception>
    /// <exception cref="BulkInException"><see cref="BulkInError.NotFound"/>: no such device. <see cref="BulkInError.AccessDenied"/>: the message has the
    /// udev rule. <see cref="BulkInError.NotSupported"/>: on Windows, a driver other than WinUSB.</exception>
    public static LibUsbDevice Open(ushort vendorId, ushort productId, string? serialNumber = null, ILogger? logger = null)
    {
        string wanted = string.Create(CultureInfo.InvariantCulture, $"{vendorId:x4}:{productId:x4}{(serialNumber is null ? "" : $" with serial number '{serialNumber}'")}");
        return Open(LibUsbLibrary.Load(), LibUsbPlatforms.Current, info => info.VendorId == vendorId && info.ProductId == productId, serialNumber, wanted, logger);
    }

    /// <summary>Opens the device that is plugged in at a place, and starts its event thread. Nothing is claimed.</summary>
    /// <param name="busPath">Bus and ports, as in <see cref="LibUsbDeviceInfo.BusPath"/>, for example <c>2-1.3</c>.</param>
    /// <param name="logger">Where trouble of the event thread and of the release of interfaces is logged; default nowhere.</param>
    /// <returns>The device, to be disposed of.</returns>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="DllNotFoundException">libusb is not installed; the message says how to.</exception>
    /// <exception cref="BulkInException">As <see cref="Open(ushort, ushort, string?, ILogger?)"/>.</exception>
    public static LibUsbDevice Open(string busPath, ILogger? logger = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(busPath);
        return Open(LibUsbLibrary.Load(), LibUsbPlatforms.Current, info => string.Equals(info.BusPath, busPath, StringComparison.Ordinal), serialNumber: null, $"at {busPath}", logger);
    }

    /// <summary>Claims an interface for this process; needed before its endpoints can be used. Alternate setting 0 is assumed. Claiming it again does nothing.</summary>
    /// <param name="number">bInterfaceNumber, 0 to 255.</param>
    /// <param name="detachKernelDriver">True: a driver of the operating system that holds the interface is detached, and attached again when the
    /// interface is released (Linux, and macOS with the entitlement). False: such a driver makes the claim fail.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is not one of an interface.</exception>
    /// <exception cref="BulkInException"><see cref="BulkInError.Busy"/>: a driver or another program holds it. <see cref="BulkInError.NotFound"/>: the active
    /// configuration has no such interface. <see cref="BulkInError.DeviceGone"/>: unplugged.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed of.</exception>
    public void ClaimInterface(int number, bool detachKernelDriver = true)
    {
        CheckInterface(number);
        using var access = Access();
        _ = access.TryEnter(out nint handle);
        if (_handle.Claimed.ContainsKey(number))
        {
            return;
        }

        // Where the platform has no such thing there is no kernel driver to be in the way either; a claim that fails says so itself.
        int code = _libusb.SetAutoDetachKernelDriver(handle, detachKernelDriver ? 1 : 0);
        if (code is not (LibUsbCode.Success or LibUsbCode.NotSupported))
        {
            throw Failure(code, $"The driver of interface {number} of {Info} could not be set to be detached");
        }

        code = _libusb.ClaimInterface(handle, number);
        if (code != LibUsbCode.Success)
        {
            string present = string.Join(", ", Info.Interfaces.Select(static setting => setting.Number).Distinct());
            throw Failure(code, code == LibUsbCode.NotFound
                ? $"Interface {number} of {Info} does not exist in the active configuration (there are: {(present.Length == 0 ? "none" : present)})"
                : $"Interface {number} of {Info} could not be claimed");
        }

        _handle.SetClaimed(number, alternateSetting: 0);
    }

    /// <summary>Selects an alternate setting of a claimed interface. Pause queues on the interface first: the system ends their transfers, which may show as
    /// zero-length data.</summary>
    /// <param name="interfaceNumber">A claimed interface.</param>
    /// <param name="alternateSetting">bAlternateSetting, 0 to 255.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    /// <exception cref="InvalidOperationException">The interface is not claimed.</exception>
    /// <exception cref="BulkInException">The device has no such setting, refused it, or is gone.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed of.</exception>
    public void SetAlternateSetting(int interfaceNumber, int alternateSetting)
    {
        CheckInterface(interfaceNumber);
        ArgumentOutOfRangeException.ThrowIfNegative(alternateSetting);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(alternateSetting, HighestInterface);
        using var access = Access();
        _ = access.TryEnter(out nint handle);
        if (!_handle.Claimed.ContainsKey(interfaceNumber))
        {
            throw new InvalidOperationException($"Interface {interfaceNumber} of {Info} is not claimed: call ClaimInterface({interfaceNumber}) first.");
        }

        int code = _libusb.SetInterfaceAltSetting(handle, interfaceNumber, alternateSetting);
        if (code != LibUsbCode.Success)
        {
            throw Failure(code, $"Alternate setting {alternateSetting} of interface {interfaceNumber} of {Info} could not be selected");
        }

        _handle.SetClaimed(interfaceNumber, alternateSetting);
    }

    /// <summary>Releases a claimed interface; a driver that was detached for it is attached again. Dispose of queues on it first: the release ends their
    /// transfers. Nothing happens when it is not claimed. Disposing of the device releases what is claimed.</summary>
    /// <param name="number">bInterfaceNumber, 0 to 255.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is not one of an interface.</exception>
    /// <exception cref="BulkInException">The system refused.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed of.</exception>
    public void ReleaseInterface(int number)
    {
        CheckInterface(number);
        using var access = Access();
        _ = access.TryEnter(out nint handle);
        if (!_handle.Claimed.ContainsKey(number))
        {
            return;
        }

        int code = _libusb.ReleaseInterface(handle, number);

        // Unplugged or not held after all: it is released either way.
        if (code is LibUsbCode.Success or LibUsbCode.NoDevice or LibUsbCode.NotFound)
        {
            _handle.SetReleased(number);
            return;
        }

        throw Failure(code, $"Interface {number} of {Info} could not be released");
    }

    /// <summary>Opens a queue on a bulk or interrupt IN endpoint of the active alternate setting of a claimed interface.</summary>
    /// <param name="endpoint">The address, 0x81 to 0x8F.</param>
    /// <param name="depth">Transfers kept posted; see <see cref="BulkInQueueOptions.Depth"/>.</param>
    /// <param name="bufferLength">Bytes of each; see <see cref="BulkInQueueOptions.BufferLength"/>.</param>
    /// <returns>The queue, to be disposed of before the device.</returns>
    /// <exception cref="ArgumentException">The endpoint cannot be queued, or a figure is out of range; the message says what there is.</exception>
    /// <exception cref="InvalidOperationException">The endpoint has a queue already; the message names it.</exception>
    /// <exception cref="BulkInException">The queue does not fit the system's limit for USB buffers, or the device refused its transfers.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed of.</exception>
    public BulkInQueue OpenBulkInQueue(byte endpoint, int depth, int bufferLength) =>
        OpenBulkInQueue(endpoint, new BulkInQueueOptions { Depth = depth, BufferLength = bufferLength });

    /// <summary>Opens a queue on a bulk or interrupt IN endpoint of the active alternate setting of a claimed interface.</summary>
    /// <param name="endpoint">The address, 0x81 to 0x8F.</param>
    /// <param name="options">The queue's set-up; default <see cref="BulkInQueueOptions"/>'s defaults.</param>
    /// <returns>The queue, to be disposed of before the device.</returns>
    /// <exception cref="ArgumentException">The endpoint cannot be queued, or an option is out of range; the message says what there is.</exception>
    /// <exception cref="InvalidOperationException">The endpoint has a queue already; the message names it.</exception>
    /// <exception cref="BulkInException">The queue does not fit the system's limit for USB buffers, or the device refused its transfers.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed of.</exception>
    public BulkInQueue OpenBulkInQueue(byte endpoint, BulkInQueueOptions? options = null)
    {
        options ??= new BulkInQueueOptions();

        // From the call on the backend is the queue's, also when Open throws.
        return BulkInQueue.Open(OpenBackend(endpoint, options), options);
    }

    /// <summary>Sends bytes to a bulk or interrupt OUT endpoint in one transfer. Several may be under way; they go out in the order of the calls.</summary>
    /// <param name="endpoint">The address, 0x01 to 0x0F, of the active alternate setting of a claimed interface.</param>
    /// <param name="data">The bytes; pinned, and not to be changed, until the task is done. Empty sends a zero-length packet.</param>
    /// <param name="timeout">How long the device may take to accept all of it: positive (rounded up to 1 ms), or <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <param name="cancellationToken">Cancels the transfer; the task is done when the transfer is really over.</param>
    /// <returns>Bytes sent: all of them.</returns>
    /// <exception cref="ArgumentException">The endpoint is not one that can be written to, or the timeout is out of range.</exception>
    /// <exception cref="BulkInException"><see cref="BulkInError.Timeout"/> and other errors; <see cref="BulkInException.BytePosition"/> has the bytes that
    /// went out before.</exception>
    /// <exception cref="LibUsbTransferCanceledException">Cancelled; it has the bytes that went out before. (A token that is cancelled at
    /// the call gives a plain <see cref="OperationCanceledException"/>: nothing was sent.)</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed of.</exception>
    public async Task<int> WriteAsync(byte endpoint, ReadOnlyMemory<byte> data, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        uint milliseconds = ToMilliseconds(timeout);
        if (endpoint is < 0x01 or > 0x0F)
        {
            throw new ArgumentOutOfRangeException(nameof(endpoint), $"0x{endpoint:X2}", "An OUT endpoint's address is 0x01 to 0x0F.");
        }

        IReadOnlyDictionary<int, int> claimed = _handle.Claimed;
        LibUsbEndpointInfo found = Info.Interfaces
            .Where(setting => claimed.TryGetValue(setting.Number, out int alternate) && alternate == setting.AlternateSetting)
            .SelectMany(static setting => setting.Endpoints)
            .FirstOrDefault(candidate => candidate.Address == endpoint && candidate.TransferType is EndpointTransferType.Bulk or EndpointTransferType.Interrupt)
            ?? throw new ArgumentException($"No claimed interface of {Info} has a bulk or interrupt OUT endpoint 0x{endpoint:X2} in its active alternate setting.", nameof(endpoint));
        return await TransferAsync(endpoint, found.TransferType, data, milliseconds, $"Writing to endpoint 0x{endpoint:X2} of {Info}", cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes a control transfer on endpoint 0.</summary>
    /// <param name="setup">The setup packet; its direction bit decides whether <paramref name="data"/> is sent or filled.</param>
    /// <param name="data">The data stage, at most 65535 bytes (4096 on Linux); its length is wLength. Read at the call, or written before the task is done.</param>
    /// <param name="timeout">How long the device may take: positive (rounded up to 1 ms), or <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <param name="cancellationToken">Cancels the transfer; the task is done when the transfer is really over.</param>
    /// <returns>Bytes of the data stage that were transferred; for IN it may be fewer than asked for.</returns>
    /// <exception cref="ArgumentException">The data is too long, or the timeout is out of range.</exception>
    /// <exception cref="BulkInException"><see cref="BulkInError.Stall"/>: the device refused the request. <see cref="BulkInError.Timeout"/> and other errors;
    /// <see cref="BulkInException.BytePosition"/> has the bytes that were transferred before.</exception>
    /// <exception cref="LibUsbTransferCanceledException">Cancelled; it has the bytes that were transferred before. (A token that is cancelled at
    /// the call gives a plain <see cref="OperationCanceledException"/>: nothing was sent.)</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed of.</exception>
    public async Task<int> ControlAsync(LibUsbSetup setup, Memory<byte> data, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        uint milliseconds = ToMilliseconds(timeout);
        if (data.Length > ushort.MaxValue)
        {
            throw new ArgumentException($"A control transfer carries at most {ushort.MaxValue} bytes, not {data.Length}.", nameof(data));
        }

        byte[] packet = new byte[SetupLength + data.Length];
        packet[0] = setup.RequestType;
        packet[1] = setup.Request;
        System.Buffers.Binary.BinaryPrimitives.WriteUInt16LittleEndian(packet.AsSpan(2), setup.Value);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt16LittleEndian(packet.AsSpan(4), setup.Index);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt16LittleEndian(packet.AsSpan(6), (ushort)data.Length);
        if (!setup.IsIn)
        {
            data.Span.CopyTo(packet.AsSpan(SetupLength));
        }

        string what = $"Control request 0x{setup.RequestType:X2} 0x{setup.Request:X2} to {Info}";
        int transferred = await TransferAsync(endpoint: 0, EndpointTransferType.Control, packet, milliseconds, what, cancellationToken).ConfigureAwait(false);
        if (setup.IsIn)
        {
            packet.AsSpan(SetupLength, Math.Min(transferred, data.Length)).CopyTo(data.Span);
        }

        return transferred;
    }

    /// <summary>Clears an endpoint's halt on device and host (<see href="https://libusb.sourceforge.io/api-1.0/group__libusb__dev.html">libusb_clear_halt</see>). Not for an endpoint
    /// with a queue: its queue does that itself, with nothing posted.</summary>
    /// <param name="endpoint">The address, with bit 7 for IN.</param>
    /// <param name="cancellationToken">Ends the wait, not the operation.</param>
    /// <returns>A task that is done when the device answered, after up to 5 s.</returns>
    /// <exception cref="BulkInException">The device refused or is gone.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed of.</exception>
    public Task ClearHaltAsync(byte endpoint, CancellationToken cancellationToken = default) =>
        RunBlockingAsync(
            handle =>
            {
                int code = _libusb.ClearHalt(handle, endpoint);
                if (code != LibUsbCode.Success)
                {
                    throw Failure(code, $"The halt of endpoint 0x{endpoint:X2} of {Info} could not be cleared", endpoint);
                }
            },
            cancellationToken);

    /// <summary>Resets the device (<see href="https://libusb.sourceforge.io/api-1.0/group__libusb__dev.html">libusb_reset_device</see>). Pause its queues first: the reset ends their
    /// transfers. Claims are kept; every interface is in alternate setting 0 afterwards.</summary>
    /// <param name="cancellationToken">Ends the wait, not the operation.</param>
    /// <returns>A task that is done when the device is back.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="BulkInException"><see cref="BulkInError.DeviceGone"/>: it came back as another device, or not at all; open it again.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed of.</exception>
    public Task ResetAsync(CancellationToken cancellationToken = default) =>
        RunBlockingAsync(
            handle =>
            {
                int code = _libusb.ResetDevice(handle);
                if (code != LibUsbCode.Success)
                {
                    throw LibUsbFailure.Of(_libusb, code, $"{Info} could not be reset", _remedy, code == LibUsbCode.NotFound ? BulkInError.DeviceGone : null);
                }

                _handle.SetAllAlternateSettingsToZero();
            },
            cancellationToken);

    /// <summary>Closes the device, or leaves that to the last queue, transfer or lease that still uses it. Waits for the event thread where it is the last
    /// user. Idempotent.</summary>
    public void Dispose()
    {
        _disposed = true;
        _handle.Dispose();
        if (_handle.Loop.IsStopping)
        {
            _handle.Loop.Join();
        }
    }

    /// <summary>As <see cref="Dispose"/>, without blocking the caller.</summary>
    /// <returns>A task that is done when the device is closed, or at once when something still uses it.</returns>
    public async ValueTask DisposeAsync()
    {
        _disposed = true;
        await Task.Run(_handle.Dispose).ConfigureAwait(false);
        if (_handle.Loop.IsStopping)
        {
            await _handle.Loop.Completion.ConfigureAwait(false);
        }
    }

    internal static IReadOnlyList<LibUsbDeviceInfo> List(ILibUsb libusb, LibUsbPlatform platform)
    {
        var loop = new LibUsbEventLoop(libusb, NullLogger.Instance);
        try
        {
            using var devices = new NativeDeviceList(libusb, loop.Context);
            return [.. devices.Read().Select(found => WithSerialNumber(libusb, platform, found.Device, found.Info))];
        }
        finally
        {
            loop.Abandon();
        }
    }

    internal static LibUsbDevice Open(ILibUsb libusb, LibUsbPlatform platform, Func<LibUsbDeviceInfo, bool> isMeant, string? serialNumber, string wanted, ILogger? logger)
    {
        logger = new GuardedLogger(logger ?? NullLogger.Instance);
        var loop = new LibUsbEventLoop(libusb, logger);
        nint opened;
        LibUsbDeviceInfo info;
        try
        {
            (opened, info) = OpenChosen(libusb, platform, loop.Context, isMeant, serialNumber, wanted);
        }
        catch
        {
            loop.Abandon();
            throw;
        }

        var handle = new LibUsbDeviceHandle(libusb, loop, opened, info.ToString(), logger);
        try
        {
            loop.Start(info.ToString());
        }
        catch
        {
            // No thread: the handle's own release would ask one to end.
            handle.SetHandleAsInvalid();
            libusb.Close(opened);
            loop.Abandon();
            throw;
        }

        return new LibUsbDevice(libusb, handle, info, platform);
    }

    internal LibUsbBackend OpenBackend(byte endpoint, BulkInQueueOptions options)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return LibUsbBackend.ForDevice(_handle, Info, endpoint, options, _platform);
    }

    private static (nint Opened, LibUsbDeviceInfo Info) OpenChosen(
        ILibUsb libusb,
        LibUsbPlatform platform,
        nint context,
        Func<LibUsbDeviceInfo, bool> isMeant,
        string? serialNumber,
        string wanted)
    {
        using var devices = new NativeDeviceList(libusb, context);
        (nint device, LibUsbDeviceInfo info) = Choose(libusb, platform, devices.Read(), isMeant, serialNumber, wanted);
        int code = libusb.Open(device, out nint opened);
        return code == LibUsbCode.Success
            ? (opened, info)
            : throw LibUsbFailure.Of(libusb, code, $"{info} could not be opened", new LibUsbRemedy(platform, info.VendorId, info.ProductId), systemError: Marshal.GetLastSystemError());
    }

    private static (nint Device, LibUsbDeviceInfo Info) Choose(
        ILibUsb libusb,
        LibUsbPlatform platform,
        IReadOnlyList<(nint Device, LibUsbDeviceInfo Info)> attached,
        Func<LibUsbDeviceInfo, bool> isMeant,
        string? serialNumber,
        string wanted)
    {
        List<string> others = [];
        foreach ((nint device, LibUsbDeviceInfo listed) in attached.Where(found => isMeant(found.Info)))
        {
            LibUsbDeviceInfo info = WithSerialNumber(libusb, platform, device, listed);
            if (serialNumber is null || string.Equals(info.SerialNumber, serialNumber, StringComparison.Ordinal))
            {
                return (device, info);
            }

            others.Add($"{info} has {(info.SerialNumber is null ? "no readable serial number" : $"'{info.SerialNumber}'")}");
        }

        string there = others.Count > 0 ? $" Of these ids, {string.Join("; ", others)}." : "";
        throw new BulkInException(BulkInError.NotFound, $"No USB device {wanted} is attached.{there} List() shows what is; on a virtual machine or in a container the device must be passed through.")
        {
            NativeCode = LibUsbCode.NotFound,
        };
    }

    private static LibUsbDeviceInfo WithSerialNumber(ILibUsb libusb, LibUsbPlatform platform, nint device, LibUsbDeviceInfo info)
    {
        if (platform == LibUsbPlatform.Linux)
        {
            // The kernel read it when the device was plugged in: no permission, no traffic, no wake-up of a sleeping device. Where sysfs has the
            // device but no serial number, the device has none; without sysfs the device itself is asked below.
            string directory = $"/sys/bus/usb/devices/{info.BusPath}";
            try
            {
                string text = File.ReadAllText($"{directory}/serial").TrimEnd('\n');
                return info with { SerialNumber = text.Length == 0 ? null : text };
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                if (Directory.Exists(directory))
                {
                    return info;
                }
            }
        }

        if (libusb.GetDeviceDescriptor(device, out NativeDeviceDescriptor descriptor) != LibUsbCode.Success
            || descriptor.SerialNumberIndex == 0
            || libusb.Open(device, out nint handle) != LibUsbCode.Success)
        {
            return info;
        }

        try
        {
            return info with { SerialNumber = DescriptorReader.ReadString(libusb, handle, descriptor.SerialNumberIndex) };
        }
        finally
        {
            libusb.Close(handle);
        }
    }

    private static void CheckInterface(int number)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(number);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(number, HighestInterface);
    }

    private static uint ToMilliseconds(TimeSpan timeout)
    {
        if (timeout == Timeout.InfiniteTimeSpan)
        {
            return 0;
        }

        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(timeout, TimeSpan.Zero);

        // Beyond int.MaxValue ms (25 days) is as good as infinite, and the platforms' timers end there.
        double milliseconds = Math.Ceiling(timeout.TotalMilliseconds);
        return milliseconds >= int.MaxValue ? 0 : (uint)milliseconds;
    }

    private async Task<int> TransferAsync(byte endpoint, EndpointTransferType type, ReadOnlyMemory<byte> data, uint timeoutMilliseconds, string what, CancellationToken cancellationToken)
    {
        using var access = Access();
        cancellationToken.ThrowIfCancellationRequested();

        LibUsbRequestOutcome outcome;
        using (var request = new LibUsbRequest(access, endpoint, type, data, timeoutMilliseconds))
        {
            BackendResult submitted = request.Submit();
            if (!submitted.IsSuccess)
            {
                BulkInError? error = submitted.Status is BackendStatus.Io or BackendStatus.NotFound or BackendStatus.Other ? BulkInError.SubmitFailed : null;
                throw LibUsbFailure.Of(_libusb, submitted.NativeCode, what, _remedy, error, endpoint, submitted.SystemError);
            }

            // From here to the completion nothing may throw: the transfer has the caller's memory.
            await using (cancellationToken.UnsafeRegister(static state => ((LibUsbRequest)state!).RequestCancel(), request).ConfigureAwait(false))
            {
                outcome = await request.Completion.ConfigureAwait(false);
            }
        }

        switch (outcome.Status)
        {
            case TransferStatus.Completed:
                return outcome.Transferred;
            case TransferStatus.Cancelled when cancellationToken.IsCancellationRequested:
                throw new LibUsbTransferCanceledException(outcome.Transferred, cancellationToken);
            default:
                throw await DescribeAsync(access, outcome, endpoint, what).ConfigureAwait(false);
        }
    }

    private async Task<BulkInException> DescribeAsync(OwnDeviceAccess access, LibUsbRequestOutcome outcome, byte endpoint, string what)
    {
        BulkInError error = outcome.Status switch
        {
            TransferStatus.TimedOut => BulkInError.Timeout,
            TransferStatus.Stall => BulkInError.Stall,
            TransferStatus.Overflow => BulkInError.Overflow,
            TransferStatus.Cancelled => BulkInError.Interrupted,

            // As a transfer's status it also follows a reset, a release or a sleep; only a request of its own tells.
            TransferStatus.NoDevice => await DeviceProbe.RunAsync(access, _platform, ProbeBound, TimeProvider.System).ConfigureAwait(false) == DevicePresence.Gone
                ? BulkInError.DeviceGone
                : BulkInError.Interrupted,
            _ => BulkInError.TransferError,
        };
        string reason = error switch
        {
            BulkInError.Timeout => "the device did not take part in time. If it waits to send something, receive that concurrently; otherwise use a longer timeout",
            BulkInError.Stall when endpoint == 0 => "the device refused the request (STALL)",
            BulkInError.Stall => $"the endpoint is halted (STALL). Call ClearHaltAsync(0x{endpoint:X2}) when the cause is removed",
            BulkInError.Overflow => "the device sent more than was asked for",
            BulkInError.Interrupted => "a reset, a release or the system ended it; the device is still attached",
            BulkInError.DeviceGone => "the device was unplugged. Dispose of it, and open it again when it is back",
            _ => "bus error. If it repeats, check cable, hub and power",
        };
        return new BulkInException(error, string.Create(CultureInfo.InvariantCulture, $"{what} failed after {outcome.Transferred} bytes: {reason}."))
        {
            NativeCode = outcome.NativeStatus,
            Endpoint = endpoint,
            BytePosition = outcome.Transferred,
        };
    }

    /// <summary>Keeps the handle open for a call.</summary>
    /// <exception cref="ObjectDisposedException">The device is disposed of.</exception>
    private OwnDeviceAccess Access()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new OwnDeviceAccess(_handle);
    }

    private Task RunBlockingAsync(Action<nint> call, CancellationToken cancellationToken)
    {
        // Held until the call is done, however long the caller waits.
        var access = Access();
        Task running = Task.Factory.StartNew(
            () =>
            {
                using (access)
                {
                    _ = access.TryEnter(out nint handle);
                    call(handle);
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach,
            TaskScheduler.Default);

        // A caller whose token ended its wait never looks at it: that must not become an unobserved exception.
        _ = running.ContinueWith(static ended => ended.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        return running.WaitAsync(cancellationToken);
    }

    private BulkInException Failure(int code, string what, byte endpoint = 0) => LibUsbFailure.Of(_libusb, code, what, _remedy, endpoint: endpoint);
}
