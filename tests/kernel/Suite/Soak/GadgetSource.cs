using BulkIn.Gadgets;
using BulkIn.Soak;

namespace BulkIn.Bench;

/// <summary>The soak's device on FunctionFS: a real device side, which halts its endpoint, is halted by the host, reset during a pause, and unbound.</summary>
internal sealed class GadgetSource : DeviceSource
{
    private const int HaltDistance = 400;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly GadgetEndpoint _replies = new("replies", isIn: true);
    private readonly FunctionFsDevice _device;
    private readonly MessageMaker _messages;
    private readonly Random _random;
    private readonly Thread _sending;

    // A reset releases the interface and claims it again: a request in between would claim it behind libusb's back.
    private readonly SemaphoreSlim _requests = new(1);
    private bool _isBound = true;

    public GadgetSource(CaseContext context, int seed)
        : base(seed, context.PacketSize)
    {
        _random = new Random(seed + 2);
        _messages = new MessageMaker(_random, context.PacketSize);
        _device = new FunctionFsDevice(_replies);
        _sending = new Thread(() => Send(context.PacketSize)) { IsBackground = true, Name = "gadget" };
        _sending.Start();
    }

    protected override async Task<SysfsDevice> PlugInAsync()
    {
        if (!_isBound)
        {
            _device.Bind();
            _isBound = true;
        }

        await CaseContext.Until(() => _device.IsEnabled, "the host configures the gadget");
        return await SysfsDevice.WaitAsync(_device.SerialNumber);
    }

    protected override void Unplug()
    {
        _device.Unbind();
        _isBound = false;
    }

    protected override void Remove()
    {
        _device.Dispose();
        CaseContext.Require(_sending.Join(Patience), "the gadget's thread does not end");
        _requests.Dispose();
    }

    // The reset ends the write in which the device waits.
    protected override async Task<bool> ChangeAsync(LibUsbDevice host)
    {
        await _requests.WaitAsync();
        try
        {
            await host.ResetAsync();
            return true;
        }
        finally
        {
            _requests.Release();
        }
    }

    protected override async Task HappenAsync(LibUsbDevice host, byte endpoint)
    {
        const byte ToEndpoint = 0x02;
        const byte SetFeature = 3;
        await _requests.WaitAsync();
        try
        {
            await host.ControlAsync(new LibUsbSetup(ToEndpoint, SetFeature, Value: 0, endpoint), Memory<byte>.Empty, CaseContext.Patience);
        }
        finally
        {
            _requests.Release();
        }
    }

    private void Send(int packetSize)
    {
        while (!_device.IsDisposed)
        {
            if (!_device.WaitUntilEnabled(TimeSpan.FromSeconds(1)))
            {
                continue;
            }

            try
            {
                if (_random.Next(HaltDistance) == 0)
                {
                    // Not while the controller still holds a short packet: then it goes on as if nothing had been asked.
                    _ = _replies.TryHalt();
                }

                ReadOnlySpan<byte> message = _messages.Next().Span;
                _replies.Write(message);
                if (message.Length % packetSize == 0)
                {
                    _replies.Write([]);
                }
            }
            catch (GadgetException lost) when (lost.IsDisabled || _device.IsDisposed)
            {
                // Unbound or reset under the message; its number is gone.
                continue;
            }

            Thread.Sleep(_random.Next(64) == 0 ? _random.Next(4) : 0);
        }
    }
}
