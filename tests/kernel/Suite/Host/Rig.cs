using BulkIn.Gadgets;
using BulkIn.UsbMon;
using BulkIn.VirtualUsb;

namespace BulkIn.Bench;

/// <summary>What nearly every case needs: a device on the bus, an observer of that bus, and the device opened by the library.</summary>
internal sealed class Rig : IAsyncDisposable
{
    /// <summary>Bytes of a queue's buffer where a case does not care.</summary>
    public const int BufferLength = 16 * 1024;

    /// <summary>The bulk IN endpoint of a device on the virtual controller.</summary>
    public const byte VirtualIn = 0x84;

    private readonly List<IDisposable> _deviceSide = [];

    private readonly Observer? _observer;

    private Rig(SysfsDevice device, LibUsbDevice host, Observer? observer)
    {
        Device = device;
        Host = host;
        _observer = observer;
        In = device.BulkIn;
    }

    /// <summary>The device as the kernel sees it.</summary>
    public SysfsDevice Device { get; private set; }

    /// <summary>The device as the library opened it, interface 0 claimed.</summary>
    public LibUsbDevice Host { get; private set; }

    /// <summary>True when there is an observer.</summary>
    public bool IsObserved => _observer is not null;

    /// <summary>The observer, listening since before the device was opened.</summary>
    public Observer Observer => _observer ?? throw new InvalidOperationException("This rig was set up without an observer.");

    /// <summary>The bulk IN endpoint.</summary>
    public byte In { get; }

    /// <summary>The bulk OUT endpoint.</summary>
    public byte Out => Device.BulkOut;

    /// <summary>The device side, of a rig on FunctionFS.</summary>
    public ScriptedGadget Gadget { get; private init; } = null!;

    /// <summary>The device side, of a rig on the virtual controller.</summary>
    public VirtualUsbDevice Virtual { get; private init; } = null!;

    /// <summary>The script at work, of a rig on the virtual controller that runs one.</summary>
    public ScriptedFunction Function { get; private init; } = null!;

    /// <summary>What usbmon saw at the IN endpoint so far.</summary>
    public EndpointTimeline InTimeline => Observer.Snapshot().Endpoint(Device.Address, In);

    /// <summary>Plugs in a FunctionFS device and opens it.</summary>
    /// <param name="script">What it does.</param>
    /// <param name="observe">False where nothing is asked of usbmon: copying every payload for it is half the work under emulation.</param>
    public static async Task<Rig> GadgetAsync(string script, bool observe = true)
    {
        var gadget = new ScriptedGadget(GadgetScript.Parse(script));
        try
        {
            SysfsDevice device = await SysfsDevice.WaitAsync(gadget.Device.SerialNumber);
            return Open(device, observe, (host, observer) => new Rig(device, host, observer) { Gadget = gadget, _deviceSide = { gadget } });
        }
        catch
        {
            gadget.Dispose();
            throw;
        }
    }

    /// <summary>Plugs in a virtual device that runs a script, and opens it.</summary>
    /// <param name="context">The speed.</param>
    /// <param name="script">The script after the device's description, which is a dock's: bulk OUT 0x02, bulk IN 0x84.</param>
    /// <param name="observe">False where nothing is asked of usbmon.</param>
    public static Rig OnVirtual(CaseContext context, string script, bool observe = true)
    {
        string speed = context.Speed == BusSpeed.Super ? "super" : "high";
        ScriptedFunction function = ScriptedFunction.Plug(UsbScript.Parse($"device 17e9:6006 {speed}\nendpoint 0x02\nendpoint 0x84\n{script}"));
        return OnVirtual(function.Device, function, observe, (seen, host, observer) => new Rig(seen, host, observer) { Virtual = function.Device, Function = function, _deviceSide = { function } });
    }

    /// <summary>Plugs in a virtual device with a function of the case's own, and opens it.</summary>
    /// <param name="context">The speed.</param>
    /// <param name="function">What it does.</param>
    public static Rig OnVirtual(CaseContext context, UsbFunction function)
    {
        VirtualUsbDevice device = VirtualUsbDevice.Plug(Dock(context), function);
        return OnVirtual(device, device, observe: true, (seen, host, observer) => new Rig(seen, host, observer) { Virtual = device, _deviceSide = { device } });
    }

    /// <summary>A dock's description: 17e9:6006, bulk OUT 0x02, bulk IN 0x84.</summary>
    public static DeviceDescription Dock(CaseContext context) => new()
    {
        VendorId = 0x17e9,
        ProductId = 0x6006,
        Speed = context.Speed == BusSpeed.Super ? UsbSpeed.Super : UsbSpeed.High,
        Interfaces = [new InterfaceDescription(0, [new EndpointDescription(0x02), new EndpointDescription(VirtualIn)])],
    };

    /// <summary>Opens a queue on the IN endpoint.</summary>
    /// <param name="depth">Its depth.</param>
    /// <param name="spareBuffers">Its spare buffers.</param>
    /// <param name="bufferLength">Bytes of each buffer.</param>
    public BulkInQueue OpenQueue(int depth, int spareBuffers = 2, int bufferLength = BufferLength) =>
        Host.OpenBulkInQueue(In, new BulkInQueueOptions { Depth = depth, BufferLength = bufferLength, SpareBuffers = spareBuffers });

    /// <summary>Closes the device and opens it again, as a program does that starts over.</summary>
    public async Task ReopenAsync()
    {
        await Host.DisposeAsync();
        Host = OpenHost(Device);
    }

    /// <summary>Opens the gadget after it was plugged in again, at its new address.</summary>
    public async Task FollowReplugAsync()
    {
        Device = await SysfsDevice.WaitAsync(Gadget.Device.SerialNumber);
        Host = OpenHost(Device);
    }

    /// <summary>Opens a device and claims its interface 0.</summary>
    public static LibUsbDevice OpenHost(SysfsDevice device)
    {
        LibUsbDevice host = LibUsbDevice.Open(Path.GetFileName(device.Directory));
        try
        {
            host.ClaimInterface(0);
            return host;
        }
        catch
        {
            host.Dispose();
            throw;
        }
    }

    /// <summary>Closes the device, then unplugs it.</summary>
    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        _observer?.Dispose();
        foreach (IDisposable side in Enumerable.Reverse(_deviceSide))
        {
            side.Dispose();
        }
    }

    private static Rig OnVirtual(VirtualUsbDevice device, IDisposable owner, bool observe, Func<SysfsDevice, LibUsbDevice, Observer?, Rig> create)
    {
        try
        {
            var seen = new SysfsDevice(device.SysfsPath, device.BusNumber, device.DeviceAddress);
            return Open(seen, observe, (host, observer) => create(seen, host, observer));
        }
        catch
        {
            owner.Dispose();
            throw;
        }
    }

#pragma warning disable CA2000 // The rig owns both from here on.
    private static Rig Open(SysfsDevice device, bool observe, Func<LibUsbDevice, Observer?, Rig> create)
    {
        Observer? observer = observe ? new Observer(device.Bus) : null;
        try
        {
            return create(OpenHost(device), observer);
        }
        catch
        {
            observer?.Dispose();
            throw;
        }
    }
#pragma warning restore CA2000
}
