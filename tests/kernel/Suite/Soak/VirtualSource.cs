using BulkIn.Soak;
using BulkIn.VirtualUsb;

namespace BulkIn.Bench;

/// <summary>The soak's device on the virtual controller, where every URB's end is made up.</summary>
internal sealed class VirtualSource(CaseContext context, int seed) : DeviceSource(seed, context.PacketSize)
{
    private readonly Random _device = new(seed + 2);
    private readonly MessageMaker _messages = new(new Random(seed + 3), context.PacketSize);
    private VirtualUsbDevice? _plugged;
    private volatile FaultyFlood? _function;

    /// <inheritdoc/>
    public override bool IsLostUnseen(long message) => _function?.IsLostUnseen(message) ?? false;

    protected override Task<SysfsDevice> PlugInAsync()
    {
        _function = new FaultyFlood(_messages, _device);
        _plugged = VirtualUsbDevice.Plug(Rig.Dock(context), _function);
        _function.Start(_plugged);
        return Task.FromResult(new SysfsDevice(_plugged.SysfsPath, _plugged.BusNumber, _plugged.DeviceAddress));
    }

    protected override void Unplug()
    {
        _plugged!.Dispose();
        _function!.Dispose();
        CaseContext.Require(_plugged.Failure is null, $"the device side failed: {_plugged.Failure}");
    }

    protected override void Remove()
    {
        _plugged?.Dispose();
        _function?.Dispose();
    }

    protected override Task<bool> ChangeAsync(LibUsbDevice host) => Task.FromResult(false);

    // Its own faults are enough.
    protected override Task HappenAsync(LibUsbDevice host, byte endpoint) => Task.CompletedTask;
}
