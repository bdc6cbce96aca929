using System.Globalization;
using System.Runtime.InteropServices;
using BulkIn.Backends;
using BulkIn.Diagnostics;

namespace BulkIn.LibUsb;

/// <summary>A bulk or interrupt IN endpoint of a libusb device handle.</summary>
/// <remarks>
/// Freed in this order: transfers, device memory, the reference on the handle. The queue disposes of the first two before the backend, and each
/// buffer holds a reference of its own, so one that a lease keeps past the queue still finds its handle open.
/// </remarks>
internal sealed class LibUsbBackend : IBulkInBackend
{
    private readonly IDeviceAccess _access;
    private readonly ILibUsb _libusb;
    private readonly IDisposable _reservation;
    private readonly BulkInQueueOptions _options;
    private readonly GuardedLogger _logger;
    private readonly LibUsbPlatform _platform;
    private readonly LibUsbRemedy _remedy;
    private readonly UsbfsMemoryLimit _limit;
    private readonly Queue<DeviceMemoryBuffer> _deviceMemory = [];
    private bool _rawIo;
    private int _disposed;

    private LibUsbBackend(IDeviceAccess access, BulkInEndpoint endpoint, IDisposable reservation, BulkInQueueOptions options, LibUsbRemedy remedy)
    {
        _access = access;
        _libusb = access.LibUsb;
        _reservation = reservation;
        _options = options;
        _logger = new GuardedLogger(options.Logger);
        _platform = remedy.Platform;
        Endpoint = endpoint;

        _limit = UsbfsMemoryLimit.ForPosted(options.Depth, options.BufferLength, _platform);
        _remedy = remedy with { UsbfsFigures = _limit.Figures };
    }

    public BulkInEndpoint Endpoint { get; }

    public BulkInCapabilities Capabilities { get; private set; }

    public bool IsClosed => _access.IsClosed;

    /// <summary>For a device of our own: a reference on its handle is held until the backend is disposed of.</summary>
    /// <exception cref="ArgumentException">The endpoint cannot be queued.</exception>
    /// <exception cref="InvalidOperationException">It has a queue already.</exception>
    /// <exception cref="BulkInException">The queue does not fit the system's limit for USB buffers.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed of.</exception>
    public static LibUsbBackend ForDevice(LibUsbDeviceHandle device, LibUsbDeviceInfo info, byte endpoint, BulkInQueueOptions options, LibUsbPlatform? platform = null)
    {
        options.Validate();
        var access = new OwnDeviceAccess(device);
        try
        {
            BulkInEndpoint found = EndpointCheck.FindClaimed(endpoint, info.Interfaces, device.Claimed, info.ToString());
            return Create(access, device, device.DangerousGetHandle(), found, options, new LibUsbRemedy(platform ?? LibUsbPlatforms.Current, info.VendorId, info.ProductId));
        }
        catch
        {
            access.Dispose();
            throw;
        }
    }

    /// <summary>For a handle that somebody else opened, pumps and closes: a reference is held for the length of each native call only.</summary>
    /// <exception cref="ArgumentException">The handle is invalid, or the endpoint cannot be queued.</exception>
    /// <exception cref="InvalidOperationException">It has a queue already.</exception>
    /// <exception cref="BulkInException">The queue does not fit the system's limit for USB buffers, or the device cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    public static LibUsbBackend ForForeignHandle(SafeHandle handle, byte endpoint, BulkInQueueOptions options) =>
        ForForeignHandle(LibUsbLibrary.Load, handle, endpoint, options, LibUsbPlatforms.Current);

    internal static LibUsbBackend ForForeignHandle(Func<ILibUsb> load, SafeHandle handle, byte endpoint, BulkInQueueOptions options, LibUsbPlatform platform)
    {
        ArgumentNullException.ThrowIfNull(handle);
        ArgumentNullException.ThrowIfNull(options);
        EndpointCheck.CheckAddress(endpoint);
        options.Validate();
        ObjectDisposedException.ThrowIf(handle.IsClosed, handle);
        if (handle.IsInvalid)
        {
            throw new ArgumentException("The handle is invalid: open the device first.", nameof(handle));
        }

        ILibUsb libusb = load();
        var access = new ForeignHandleAccess(libusb, handle);
        ObjectDisposedException.ThrowIf(!access.TryEnter(out nint native), handle);
        try
        {
            nint device = libusb.GetDevice(native);
            LibUsbDeviceInfo info = (device == 0 ? null : DescriptorReader.ReadDevice(libusb, device))
                ?? throw new BulkInException(BulkInError.NotFound, "The handle's device has no readable descriptor. Open the device again.");
            BulkInEndpoint found = EndpointCheck.FindConfigured(endpoint, info.Interfaces, options.InterfaceNumber, options.AlternateSetting, info.ToString());
            return Create(access, handle, native, found, options, new LibUsbRemedy(platform, info.VendorId, info.ProductId));
        }
        finally
        {
            access.Exit();
        }
    }

    public TransferBuffer? AllocateBuffer(int length) =>
        _deviceMemory.TryPeek(out DeviceMemoryBuffer? next) && next.Length == length ? _deviceMemory.Dequeue() : null;

    public IBulkInTransfer CreateTransfer(ITransferCompletion completion)
    {
        ArgumentNullException.ThrowIfNull(completion);
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        return new LibUsbTransfer(_access, Endpoint, completion);
    }

    public ValueTask<BackendResult> ClearHaltAsync()
    {
        try
        {
            // A thread of its own: libusb_clear_halt is a control transfer that blocks for up to 5 s.
            return new ValueTask<BackendResult>(Task.Factory.StartNew(
                static state => ((LibUsbBackend)state!).ClearHalt(),
                this,
                CancellationToken.None,
                TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach,
                TaskScheduler.Default));
        }
        catch (Exception exception) when (exception is OutOfMemoryException or ThreadStartException or TaskSchedulerException)
        {
            return new ValueTask<BackendResult>(new BackendResult(BackendStatus.NoMemory));
        }
    }

    public ValueTask<DevicePresence> ProbeAsync(TimeSpan bound) => new(DeviceProbe.RunAsync(_access, _platform, bound, _options.TimeProvider));

    public string? GetRemedy(BulkInError reported, BackendResult result) => _remedy.For(reported, result);

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        if (_rawIo)
        {
            SetRawIo(enable: false);
        }

        ReleaseDeviceMemory();
        _reservation.Dispose();
        _access.Dispose();
    }

    private static LibUsbBackend Create(IDeviceAccess access, SafeHandle owner, nint native, BulkInEndpoint endpoint, BulkInQueueOptions options, LibUsbRemedy remedy)
    {
        string description = string.Create(CultureInfo.InvariantCulture, $"{endpoint.DeviceName}, {options.Depth} transfers of {options.BufferLength} bytes");
        var backend = new LibUsbBackend(access, endpoint, EndpointRegistry.Reserve(owner, native, endpoint.Address, description), options, remedy);
        try
        {
            backend.Prepare();
            return backend;
        }
        catch
        {
            backend.Dispose();
            throw;
        }
    }

    /// <summary>Checks the limit and settles what the capabilities depend on, before anything is submitted.</summary>
    private void Prepare()
    {
        if (!_limit.Fits)
        {
            string advice = _remedy.For(BulkInError.OutOfMemory, default) ?? "";
            throw new BulkInException(BulkInError.OutOfMemory, $"Endpoint 0x{Endpoint.Address:X2} of {Endpoint.DeviceName}: the queue does not fit the system's limit. {advice}")
            {
                NativeCode = LibUsbCode.NoMemory,
                Endpoint = Endpoint.Address,
            };
        }

        AllocateDeviceMemory();
        _rawIo = TryEnableRawIo();
        Capabilities =
            (_platform == LibUsbPlatform.Windows ? BulkInCapabilities.StallMayMeanGone : BulkInCapabilities.None)
            | (_platform == LibUsbPlatform.Windows && !_rawIo ? BulkInCapabilities.ClearsHaltItself : BulkInCapabilities.None)
            | (_platform == LibUsbPlatform.MacOS ? BulkInCapabilities.CancelAbortsEndpoint : BulkInCapabilities.None)
            | (_access.OwnerMayClose ? BulkInCapabilities.OwnerMayClose : BulkInCapabilities.None)
            | (_rawIo ? BulkInCapabilities.RawIo : BulkInCapabilities.None)
            | (_deviceMemory.Count > 0 ? BulkInCapabilities.DeviceMemory : BulkInCapabilities.None);
    }

    private BackendResult ClearHalt()
    {
        if (!_access.TryEnter(out nint handle))
        {
            return new BackendResult(BackendStatus.HandleClosed);
        }

        int code = _libusb.ClearHalt(handle, Endpoint.Address);
        BackendResult result = code == LibUsbCode.Success ? default : LibUsbCode.ToResult(code, Marshal.GetLastSystemError());
        _access.Exit();
        return result;
    }

    /// <summary>All of the queue's buffers or none: a mix would let the mappings use up the limit that the pinned ones need when posted.</summary>
    private void AllocateDeviceMemory()
    {
        bool wanted = _options.Memory switch
        {
            BulkInMemory.Pinned => false,
            BulkInMemory.Device => true,
            _ => !_access.OwnerMayClose && _platform == LibUsbPlatform.Linux && RuntimeInformation.ProcessArchitecture == Architecture.X64,
        };
        if (!wanted)
        {
            return;
        }

        int buffers = _options.Depth + _options.SpareBuffers;
        UsbfsMemoryLimit limit = UsbfsMemoryLimit.ForMapped(_options.Depth, buffers, _options.BufferLength, _platform);
        string reason = limit.Figures ?? "";
        for (int i = 0; limit.Fits && i < buffers; i++)
        {
            DeviceMemoryBuffer? buffer = DeviceMemoryBuffer.TryAllocate(_access, _options.BufferLength, out reason);
            if (buffer is null)
            {
                ReleaseDeviceMemory();
                break;
            }

            _deviceMemory.Enqueue(buffer);
        }

        if (_deviceMemory.Count > 0)
        {
            LibUsbLog.DeviceMemoryUsed(_logger, Endpoint.Address, Endpoint.DeviceName, buffers, _options.BufferLength);
        }
        else
        {
            LibUsbLog.DeviceMemoryRefused(_logger, Endpoint.Address, Endpoint.DeviceName, reason);
        }
    }

    private void ReleaseDeviceMemory()
    {
        while (_deviceMemory.TryDequeue(out DeviceMemoryBuffer? buffer))
        {
            buffer.Dispose();
        }
    }

    /// <summary>RAW_IO takes whole packets up to a size of the driver's, and must be chosen before the first submit.</summary>
    private bool TryEnableRawIo()
    {
        if (_options.BufferLength % Endpoint.MaxPacketSize != 0 || !_access.TryEnter(out nint handle))
        {
            return false;
        }

        bool suits = _libusb.EndpointSupportsRawIo(handle, Endpoint.Address) == 1
            && _libusb.GetMaxRawIoTransferSize(handle, Endpoint.Address) is int most
            && most >= _options.BufferLength;
        _access.Exit();
        return suits && SetRawIo(enable: true);
    }

    private bool SetRawIo(bool enable)
    {
        if (!_access.TryEnter(out nint handle))
        {
            return false;
        }

        int code = _libusb.EndpointSetRawIo(handle, Endpoint.Address, enable ? 1 : 0);
        _access.Exit();
        if (code != LibUsbCode.Success && code != LibUsbCode.NoDevice)
        {
            LibUsbLog.RawIoFailed(_logger, Endpoint.Address, Endpoint.DeviceName, enable, _libusb.ErrorName(code), code);
        }

        return code == LibUsbCode.Success;
    }
}
