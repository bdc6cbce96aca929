using System.Runtime.InteropServices;
using System.Text;
using BulkIn.Backends;
using BulkIn.LibUsb;
using Xunit;

namespace BulkIn.Tests.LibUsb;

/// <summary>
/// A libusb with one device, driven by the test: it keeps submitted transfers until told to complete them, on the thread that handles events, and
/// accuses every misuse that would be undefined behaviour in the real one. With <see cref="Real"/> set, contexts and events are the real ones.
/// </summary>
internal sealed unsafe class FakeLibUsb : ILibUsb, IDisposable
{
    public const nint Device = 0x1000;
    private const byte Poison = 0xDD;
    // As real pointers, handles of tests that run at once differ.
    private static long s_lastHandle = 0x10000;
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

    private readonly object _gate = new();
    private readonly Queue<Action> _events = [];
    private readonly List<int> _eventCodes = [];
    private readonly HashSet<nint> _live = [];
    private readonly List<nint> _posted = [];
    private readonly HashSet<nint> _handles = [];
    private readonly Dictionary<nint, nuint> _mapped = [];
    private readonly List<nint> _freed = [];
    private bool _interrupted;

    public List<string> Accusations { get; } = [];

    public List<string> Calls { get; } = [];

    /// <summary>What handling events answered so far, where the real one does it or was made to fail.</summary>
    public IReadOnlyList<int> EventCodes
    {
        get
        {
            lock (_gate)
            {
                return [.. _eventCodes];
            }
        }
    }

    public ILibUsb? Real { get; init; }

    public IReadOnlyList<LibUsbInterfaceInfo> Interfaces { get; set; } = [Setting(0, 0, Bulk(0x84, 1024), Bulk(0x02, 1024))];

    public string? SerialNumber { get; set; } = "DL42";

    public Queue<int> NextEventCodes { get; } = [];

    public int Contexts { get; private set; }

    public int OpenConfigurations { get; private set; }

    public int DeviceLists { get; private set; }

    public Func<string, int>? Fail { get; set; }

    public Func<NativeTransferView, int>? OnSubmit { get; set; }

    public bool CompleteOnCancel { get; set; } = true;

    /// <summary>True: the callback runs inside the submit.</summary>
    public bool CompleteDuringSubmit { get; set; }

    public int RawIoLimit { get; set; }

    /// <summary>How many mappings may exist; negative: dev_mem is missing.</summary>
    public int DeviceMemoryLimit { get; set; } = -1;

    public byte DeviceMemoryFill { get; set; }

    public int Mapped
    {
        get
        {
            lock (_gate)
            {
                return _mapped.Count;
            }
        }
    }

    public int Live
    {
        get
        {
            lock (_gate)
            {
                return _live.Count;
            }
        }
    }

    public int OpenHandles
    {
        get
        {
            lock (_gate)
            {
                return _handles.Count;
            }
        }
    }

    public nint[] Posted
    {
        get
        {
            lock (_gate)
            {
                return [.. _posted];
            }
        }
    }

    public static LibUsbEndpointInfo Bulk(byte address, int maxPacketSize) => new(address, EndpointTransferType.Bulk, maxPacketSize);

    public static LibUsbInterfaceInfo Setting(byte number, byte alternate, params LibUsbEndpointInfo[] endpoints) => new(number, alternate, 0xFF, 0, 0, endpoints);

    /// <summary>Waits until so many transfers are posted.</summary>
    public nint[] WaitForPosted(int count)
    {
        lock (_gate)
        {
            long deadline = Environment.TickCount64 + (long)Bound.TotalMilliseconds;
            while (_posted.Count < count)
            {
                long left = deadline - Environment.TickCount64;
                Assert.True(left > 0, $"{count} transfers should have been posted; {_posted.Count} were.");
                _ = Monitor.Wait(_gate, TimeSpan.FromMilliseconds(left));
            }

            return [.. _posted];
        }
    }

    /// <summary>Waits until a call was made so many times.</summary>
    public void WaitForCall(string name, int count = 1)
    {
        lock (_gate)
        {
            long deadline = Environment.TickCount64 + (long)Bound.TotalMilliseconds;
            while (Calls.Count(call => call == name) < count)
            {
                long left = deadline - Environment.TickCount64;
                Assert.True(left > 0, $"{name} should have been called {count} times; the calls were: {string.Join(", ", Calls)}.");
                _ = Monitor.Wait(_gate, TimeSpan.FromMilliseconds(left));
            }
        }
    }

    /// <summary>Waits until handling events answered so often (see <see cref="EventCodes"/>).</summary>
    public void WaitForEventCodes(int count)
    {
        lock (_gate)
        {
            long deadline = Environment.TickCount64 + (long)Bound.TotalMilliseconds;
            while (_eventCodes.Count < count)
            {
                long left = deadline - Environment.TickCount64;
                Assert.True(left > 0, $"Handling events should have answered {count} times; it answered {_eventCodes.Count} times.");
                _ = Monitor.Wait(_gate, TimeSpan.FromMilliseconds(left));
            }
        }
    }

    /// <summary>Ends a posted transfer from the thread that handles events.</summary>
    public void Complete(nint transfer, int status, ReadOnlySpan<byte> data = default, int? actualLength = null)
    {
        byte[] bytes = data.ToArray();
        Enqueue(() => CompleteNow(transfer, status, bytes, actualLength));
    }

    /// <summary>What happens within one handling of events.</summary>
    public void Burst(Action happen) => Enqueue(happen);

    /// <summary>Ends a posted transfer from this thread, as a foreign pump does.</summary>
    public void CompleteNow(nint transfer, int status, byte[] data, int? actualLength = null)
    {
        var native = (NativeTransfer*)transfer;
        lock (_gate)
        {
            Assert.True(_posted.Remove(transfer), "The test completes a transfer that is not posted.");
        }

        bool control = native->Type == (byte)EndpointTransferType.Control;
        data.CopyTo(new Span<byte>(native->Buffer + (control ? 8 : 0), data.Length));
        native->Status = status;
        native->ActualLength = actualLength ?? data.Length;
        native->Callback(native);
    }

    /// <summary>Closes a handle natively, as libusb_close does: transfers in flight are orphaned without a callback.</summary>
    public void Orphan(nint handle)
    {
        lock (_gate)
        {
            foreach (nint transfer in _posted)
            {
                ((NativeTransfer*)transfer)->DevHandle = 0;
            }

            _posted.Clear();
            _ = _handles.Remove(handle);
        }
    }

    public int Init(out nint context)
    {
        context = 0;
        if (Result("init") is int failed and not 0)
        {
            return failed;
        }

        lock (_gate)
        {
            Contexts++;
        }

        if (Real is not null)
        {
            return Real.Init(out context);
        }

        context = 0x77;
        return 0;
    }

    public void Exit(nint context)
    {
        Note("exit");
        lock (_gate)
        {
            if (_handles.Count > 0 && Contexts == 1)
            {
                Accusations.Add("exit with a handle open");
            }

            if (Contexts == 1 && _posted.Count > 0)
            {
                Accusations.Add("exit with a transfer in flight");
            }

            Contexts--;
        }

        Real?.Exit(context);
    }

    public nint GetDeviceList(nint context, out nint list)
    {
        list = 0;
        if (Result("get_device_list") is int failed and not 0)
        {
            return failed;
        }

        var devices = (nint*)NativeMemory.AllocZeroed(2, (nuint)sizeof(nint));
        devices[0] = Device;
        list = (nint)devices;
        DeviceLists++;
        return 1;
    }

    public void FreeDeviceList(nint list, int unrefDevices)
    {
        DeviceLists--;
        NativeMemory.Free((void*)list);
    }

    public int GetDeviceDescriptor(nint device, out NativeDeviceDescriptor descriptor)
    {
        descriptor = new NativeDeviceDescriptor { VendorId = 0x17e9, ProductId = 0x6006, SerialNumberIndex = (byte)(SerialNumber is null ? 0 : 3) };
        return Result("get_device_descriptor");
    }

    public int GetActiveConfigDescriptor(nint device, out NativeConfigDescriptor* descriptor)
    {
        descriptor = null;
        if (Result("get_active_config_descriptor") is int failed and not 0)
        {
            return failed;
        }

        ILookup<byte, LibUsbInterfaceInfo> interfaces = Interfaces.ToLookup(setting => setting.Number);
        descriptor = Allocate<NativeConfigDescriptor>(1);
        descriptor->NumInterfaces = (byte)interfaces.Count;
        descriptor->Interfaces = Allocate<NativeInterface>(interfaces.Count);
        int i = 0;
        foreach (IGrouping<byte, LibUsbInterfaceInfo> settings in interfaces)
        {
            NativeInterface* native = descriptor->Interfaces + i++;
            native->NumAlternateSettings = settings.Count();
            native->AlternateSettings = Allocate<NativeInterfaceDescriptor>(native->NumAlternateSettings);
            int j = 0;
            foreach (LibUsbInterfaceInfo info in settings)
            {
                NativeInterfaceDescriptor* setting = native->AlternateSettings + j++;
                setting->InterfaceNumber = info.Number;
                setting->AlternateSetting = info.AlternateSetting;
                setting->InterfaceClass = info.InterfaceClass;
                setting->NumEndpoints = (byte)info.Endpoints.Count;
                setting->Endpoints = info.Endpoints.Count == 0 ? null : Allocate<NativeEndpointDescriptor>(info.Endpoints.Count);
                for (int k = 0; k < info.Endpoints.Count; k++)
                {
                    setting->Endpoints[k].EndpointAddress = info.Endpoints[k].Address;
                    setting->Endpoints[k].Attributes = (byte)info.Endpoints[k].TransferType;
                    setting->Endpoints[k].MaxPacketSize = (ushort)info.Endpoints[k].MaxPacketSize;
                }
            }
        }

        OpenConfigurations++;
        return 0;
    }

    public void FreeConfigDescriptor(NativeConfigDescriptor* descriptor)
    {
        OpenConfigurations--;
        for (int i = 0; i < descriptor->NumInterfaces; i++)
        {
            NativeInterface* native = descriptor->Interfaces + i;
            for (int j = 0; j < native->NumAlternateSettings; j++)
            {
                NativeMemory.Free(native->AlternateSettings[j].Endpoints);
            }

            NativeMemory.Free(native->AlternateSettings);
        }

        NativeMemory.Free(descriptor->Interfaces);
        NativeMemory.Free(descriptor);
    }

    public byte GetBusNumber(nint device) => 250;

    public byte GetDeviceAddress(nint device) => 9;

    public int GetDeviceSpeed(nint device) => 4;

    public int GetPortNumbers(nint device, Span<byte> ports)
    {
        ports[0] = 1;
        ports[1] = 3;
        return 2;
    }

    public int GetStringDescriptorAscii(nint handle, byte index, Span<byte> text) => Encoding.ASCII.GetBytes(SerialNumber ?? "", text);

    public int Open(nint device, out nint handle)
    {
        handle = 0;
        if (Result("open") is int failed and not 0)
        {
            return failed;
        }

        lock (_gate)
        {
            handle = (nint)Interlocked.Increment(ref s_lastHandle);
            _ = _handles.Add(handle);
        }

        return 0;
    }

    public void Close(nint handle)
    {
        Note("close");
        lock (_gate)
        {
            if (!_handles.Remove(handle))
            {
                Accusations.Add("close of a handle that is not open");
            }

            if (_posted.Any(transfer => ((NativeTransfer*)transfer)->DevHandle == handle))
            {
                Accusations.Add("close with a transfer in flight");
            }

            if (_mapped.Count > 0)
            {
                Accusations.Add("close with device memory mapped");
            }
        }
    }

    public nint GetDevice(nint handle) => UseHandle(handle, "get_device") ? Device : 0;

    public int ClaimInterface(nint handle, int number) => UseHandle(handle, "claim_interface") ? Result("claim_interface") : LibUsbCode.NoDevice;

    public int ReleaseInterface(nint handle, int number) => UseHandle(handle, "release_interface") ? Result("release_interface") : LibUsbCode.NoDevice;

    public int SetInterfaceAltSetting(nint handle, int number, int alternateSetting) => UseHandle(handle, "set_alt") ? Result("set_alt") : LibUsbCode.NoDevice;

    public int SetAutoDetachKernelDriver(nint handle, int enable) => UseHandle(handle, "auto_detach") ? Result(enable != 0 ? "auto_detach on" : "auto_detach off") : LibUsbCode.NoDevice;

    public int ClearHalt(nint handle, byte endpoint) => UseHandle(handle, "clear_halt") ? Result("clear_halt") : LibUsbCode.NoDevice;

    public int ResetDevice(nint handle) => UseHandle(handle, "reset_device") ? Result("reset_device") : LibUsbCode.NoDevice;

    public NativeTransfer* AllocTransfer()
    {
        if (Result("alloc_transfer") != 0)
        {
            return null;
        }

        NativeTransfer* transfer = Allocate<NativeTransfer>(1);
        lock (_gate)
        {
            _ = _live.Add((nint)transfer);
        }

        return transfer;
    }

    public void FreeTransfer(NativeTransfer* transfer)
    {
        Note("free_transfer");
        lock (_gate)
        {
            if (!_live.Remove((nint)transfer))
            {
                Accusations.Add("free of a transfer that is not allocated");
                return;
            }

            if (_posted.Contains((nint)transfer))
            {
                Accusations.Add("free of a posted transfer");
            }

            // Kept allocated and poisoned, so that a late use is seen and hits nobody.
            NativeMemory.Fill(transfer, (nuint)sizeof(NativeTransfer), Poison);
            _freed.Add((nint)transfer);
        }
    }

    public int SubmitTransfer(NativeTransfer* transfer)
    {
        Note("submit");
        lock (_gate)
        {
            if (!_live.Contains((nint)transfer))
            {
                Accusations.Add("submit of a transfer that is not allocated");
                return LibUsbCode.Other;
            }

            if (!_handles.Contains(transfer->DevHandle))
            {
                Accusations.Add("submit on a handle that is not open");
                return LibUsbCode.Other;
            }

            if (_posted.Contains((nint)transfer))
            {
                Accusations.Add("submit of a posted transfer");
                return LibUsbCode.Busy;
            }
        }

        int code = OnSubmit?.Invoke(new NativeTransferView((nint)transfer)) ?? 0;
        if (code == 0)
        {
            lock (_gate)
            {
                _posted.Add((nint)transfer);
                Monitor.PulseAll(_gate);
            }

            if (CompleteDuringSubmit)
            {
                CompleteNow((nint)transfer, 0, []);
            }
        }

        return code;
    }

    public int CancelTransfer(NativeTransfer* transfer)
    {
        Note("cancel");
        lock (_gate)
        {
            if (!_live.Contains((nint)transfer))
            {
                Accusations.Add("cancel of a freed transfer");
                return LibUsbCode.Other;
            }

            if (!_posted.Contains((nint)transfer))
            {
                return LibUsbCode.NotFound;
            }
        }

        if (CompleteOnCancel)
        {
            Complete((nint)transfer, (int)TransferStatus.Cancelled);
        }

        return 0;
    }

    public int HandleEvents(nint context)
    {
        if (Real is not null)
        {
            int code = Real.HandleEvents(context);
            lock (_gate)
            {
                _eventCodes.Add(code);
                Monitor.PulseAll(_gate);
            }

            return code;
        }

        Action[] due;
        lock (_gate)
        {
            if (NextEventCodes.TryDequeue(out int failed))
            {
                _eventCodes.Add(failed);
                Monitor.PulseAll(_gate);
                return failed;
            }

            if (_events.Count == 0 && !_interrupted)
            {
                _ = Monitor.Wait(_gate, Bound);
            }

            due = [.. _events];
            _events.Clear();
            _interrupted = false;
        }

        foreach (Action happen in due)
        {
            happen();
        }

        return 0;
    }

    public void InterruptEventHandler(nint context)
    {
        Real?.InterruptEventHandler(context);
        lock (_gate)
        {
            _interrupted = true;
            Monitor.PulseAll(_gate);
        }
    }

    public byte* DevMemAlloc(nint handle, nuint length)
    {
        if (!UseHandle(handle, "dev_mem_alloc") || Result("dev_mem_alloc") != 0)
        {
            return null;
        }

        lock (_gate)
        {
            if (_mapped.Count >= DeviceMemoryLimit)
            {
                return null;
            }

            var memory = (byte*)NativeMemory.Alloc(length);
            NativeMemory.Fill(memory, length, DeviceMemoryFill);
            _mapped.Add((nint)memory, length);
            return memory;
        }
    }

    public int DevMemFree(nint handle, byte* buffer, nuint length)
    {
        _ = UseHandle(handle, "dev_mem_free");
        Note("dev_mem_free");
        lock (_gate)
        {
            if (!_mapped.Remove((nint)buffer, out nuint mapped) || mapped != length)
            {
                Accusations.Add("dev_mem_free of what was not mapped");
                return LibUsbCode.InvalidParameter;
            }
        }

        NativeMemory.Free(buffer);
        return 0;
    }

    public int EndpointSupportsRawIo(nint handle, byte endpoint) => UseHandle(handle, "supports_raw_io") && RawIoLimit > 0 ? 1 : 0;

    public int EndpointSetRawIo(nint handle, byte endpoint, int enable) => UseHandle(handle, "set_raw_io") ? Result(enable != 0 ? "set_raw_io on" : "set_raw_io off") : LibUsbCode.NoDevice;

    public int GetMaxRawIoTransferSize(nint handle, byte endpoint) => RawIoLimit;

    public string ErrorName(int code) => $"LIBUSB_{code}";

    public void Dispose()
    {
        // What is not freed yet may still be: a request that was given up is freed by a pool thread, when it comes round to it. That must not hit memory of somebody else's.
        lock (_gate)
        {
            _freed.ForEach(static transfer => NativeMemory.Free((void*)transfer));
            _freed.Clear();
        }
    }

    private static T* Allocate<T>(int count)
        where T : unmanaged => (T*)NativeMemory.AllocZeroed((nuint)Math.Max(count, 1), (nuint)sizeof(T));

    private void Enqueue(Action happen)
    {
        lock (_gate)
        {
            _events.Enqueue(happen);
            Monitor.PulseAll(_gate);
        }
    }

    private bool UseHandle(nint handle, string call)
    {
        lock (_gate)
        {
            if (_handles.Contains(handle))
            {
                return true;
            }

            Accusations.Add($"{call} on a handle that is not open");
            return false;
        }
    }

    private int Result(string call)
    {
        Note(call);
        return Fail?.Invoke(call) ?? 0;
    }

    private void Note(string call)
    {
        lock (_gate)
        {
            Calls.Add(call);
            Monitor.PulseAll(_gate);
        }
    }
}

/// <summary>What a test may see of a transfer at its submit.</summary>
internal readonly unsafe struct NativeTransferView(nint transfer)
{
    private NativeTransfer* Native => (NativeTransfer*)transfer;

    public nint Address => transfer;

    public byte Endpoint => Native->Endpoint;

    public byte Type => Native->Type;

    public uint Timeout => Native->Timeout;

    public int Length => Native->Length;

    public byte[] Bytes => new Span<byte>(Native->Buffer, Native->Length).ToArray();
}
