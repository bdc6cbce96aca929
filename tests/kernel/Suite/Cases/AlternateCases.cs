using BulkIn.VirtualUsb;

namespace BulkIn.Bench;

/// <summary>Alternate settings of an interface: which endpoints there are, and what a change does to posted transfers.</summary>
internal static class AlternateCases
{
    private const int Depth = 4;
    private const byte InBoth = 0x84;
    private const byte InSecond = 0x85;

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("alternate.other", "An endpoint of a setting that is not selected is an argument error; selected, it is read.", context => OnDevice(context, Other)) { Rows = [new FaultRow(13)] },
        new("alternate.paused", "A setting changed between PauseAsync and ResumeAsync is no fault, and brings nothing that the device did not send.", context => OnDevice(context, Paused)),
        new("alternate.unpaused", "A setting changed under posted transfers is no fault: each comes back empty, as documented, and the data follows.", context => OnDevice(context, Unpaused))
        {
            Breaks = [ContractRule.ChangePosted],
        },
    ];

    private static async Task OnDevice(CaseContext context, Func<LibUsbDevice, Sender, Task> body)
    {
        DeviceDescription description = Rig.Dock(context) with
        {
            Interfaces =
            [
                new InterfaceDescription(0, [new EndpointDescription(InBoth)]),
                new InterfaceDescription(0, [new EndpointDescription(InBoth), new EndpointDescription(InSecond)]) { AlternateSetting = 1 },
            ],
        };
        var sender = new Sender();
        using VirtualUsbDevice device = VirtualUsbDevice.Plug(description, sender);
        await using LibUsbDevice host = Rig.OpenHost(new SysfsDevice(device.SysfsPath, device.BusNumber, device.DeviceAddress));
        await body(host, sender);
    }

    private static async Task Other(LibUsbDevice host, Sender sender)
    {
        string refused = "nothing";
        try
        {
            _ = host.OpenBulkInQueue(InSecond, Depth, Rig.BufferLength);
        }
        catch (ArgumentException exception)
        {
            refused = exception.Message;
        }

        CaseContext.Figure(refused);
        CaseContext.Require(refused.Contains($"0x{InSecond:X2}", StringComparison.Ordinal), $"the refusal does not name the endpoint: {refused}");
        host.SetAlternateSetting(0, 1);
        await using BulkInQueue queue = host.OpenBulkInQueue(InSecond, Depth, Rig.BufferLength);
        sender.Start();
        await RequireDataAsync(queue);
    }

    private static async Task Paused(LibUsbDevice host, Sender sender)
    {
        await using BulkInQueue queue = host.OpenBulkInQueue(InBoth, Depth, Rig.BufferLength);
        await CaseContext.Within(queue.PauseAsync(), "PauseAsync");
        host.SetAlternateSetting(0, 1);
        await CaseContext.Within(queue.ResumeAsync(), "ResumeAsync");
        sender.Start();
        await RequireDataAsync(queue);
        CaseContext.Figure($"{queue.Statistics.Faults} faults, {queue.Statistics.Transfers} transfer");
        CaseContext.Require(queue.Statistics.Faults == 0, $"{queue.Statistics.Faults} faults were counted");
    }

    private static async Task Unpaused(LibUsbDevice host, Sender sender)
    {
        await using BulkInQueue queue = host.OpenBulkInQueue(InBoth, Depth, Rig.BufferLength);
        host.SetAlternateSetting(0, 1);
        byte[] buffer = new byte[Rig.BufferLength];
        for (int count = 0; count < Depth; count++)
        {
            BulkInResult empty = await queue.RecvAsync(buffer, CaseContext.Patience);
            CaseContext.Require(empty is { IsData: true, Length: 0 }, $"transfer {count} of the old setting came back as {empty.Status} with {empty.Length} bytes");
        }

        sender.Start();
        await RequireDataAsync(queue);
        CaseContext.Figure($"{Depth} empty transfers, then data; {queue.Statistics.Faults} faults");
        CaseContext.Require(queue.Statistics.Faults == 0, $"{queue.Statistics.Faults} faults were counted");
    }

    private static async Task RequireDataAsync(BulkInQueue queue)
    {
        BulkInResult result = await queue.RecvAsync(new byte[Rig.BufferLength], CaseContext.Patience);
        CaseContext.Require(result.Length == Sender.Length, $"the device sent {Sender.Length} bytes, {result.Status} with {result.Length} was received");
    }

    /// <summary>Silent until started; then it answers one IN.</summary>
    private sealed class Sender : UsbFunction
    {
        public const int Length = 40;

        private readonly Lock _gate = new();
        private readonly List<Urb> _waiting = [];
        private bool _started;
        private bool _sent;

        public void Start()
        {
            lock (_gate)
            {
                _started = true;
                Send();
            }
        }

        public override void Submitted(Urb urb)
        {
            lock (_gate)
            {
                _waiting.Add(urb);
                Send();
            }
        }

        public override void Unlinking(Urb urb)
        {
            lock (_gate)
            {
                _ = _waiting.Remove(urb);
                urb.ConfirmUnlink();
            }
        }

        private void Send()
        {
            if (_started && !_sent && _waiting.Count > 0)
            {
                _sent = _waiting[0].Complete(new byte[Length]);
                _waiting.RemoveAt(0);
            }
        }
    }
}
