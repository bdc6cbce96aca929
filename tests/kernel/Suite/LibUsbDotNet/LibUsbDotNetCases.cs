using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using BulkIn.DeviceScript;
using BulkIn.VirtualUsb;
using LibUsbDotNet.Main;

namespace BulkIn.Bench;

/// <summary>A queue on a device that LibUsbDotNet opened, pumps and writes to. Built where LibUsbDotNet is (WithLibUsbDotNet=true).</summary>
internal static class LibUsbDotNetCases
{
    private const int Depth = 8;
    private const string Flood = "in replies\ntask\nwrite replies 4000\nrepeat";

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("libusbdotnet.deadlock", "LibUsbDotNet's own blocking writes and the queue on its handle get every command and every reply through.", Deadlock),
        new("libusbdotnet.stall", "A halt is cleared on LibUsbDotNet's handle with nothing outstanding, and the stream continues.", Stall) { Rows = [new FaultRow(20)] },
        new("libusbdotnet.adapters", "Enumeration, pipe and pump on LibUsbDotNet's handle.", Adapters),
        new("libusbdotnet.alternate", "The active alternate setting and its max packet size are found.", Alternate) { Rows = [new FaultRow(11)] },
        new("libusbdotnet.unplug", "The unplug is DeviceGone, and queue, device and context close.", Unplug) { Rows = [new FaultRow(32)] },
        new("libusbdotnet.order", "Queue, device, context: nothing is outstanding, nothing is left, and the device can be opened again at once.", Order),
        new("libusbdotnet.device-first", "A device closed under the queue is HandleClosed within seconds, and disposing of the queue ends.", context => ClosedFirst(context, host => host.Device.Close()))
        {
            Rows = [new FaultRow(53)],
            Breaks = [ContractRule.ClosePosted],
            LeavesBehind = true,
        },
        new("libusbdotnet.context-first", "A context disposed of first closes its devices: the same.", context => ClosedFirst(context, host => host.Context.Dispose()))
        {
            Rows = [new FaultRow(53)],
            Breaks = [ContractRule.ClosePosted],
            LeavesBehind = true,
        },
        new("libusbdotnet.two-copies", "Two copies of libusb in the process are refused, and named.", TwoCopies),
    ];

    private static async Task Deadlock(CaseContext context)
    {
        await using Rig rig = await RigAsync("out commands\nin replies\ntask\nread commands\nwrite replies 6000 2\nrepeat");
        using LibUsbDotNetHost host = new(rig.Device);
        await using BulkInQueue queue = host.Device.OpenBulkInQueue((ReadEndpointID)rig.In, Depth, Rig.BufferLength);
        Task sender = Task.Run(() =>
        {
            for (int sent = 0; sent < DeadlockCases.Commands; sent++)
            {
                host.Write(new byte[512]);
            }
        });
        await ReceiveAsync(queue, DeadlockCases.Replies);
        await sender;
        CaseContext.Figure($"{DeadlockCases.Commands} of {DeadlockCases.Commands} OUTs by LibUsbDotNet, {DeadlockCases.Replies} of {DeadlockCases.Replies} replies");
        _ = context;
    }

    private static async Task Stall(CaseContext context)
    {
        const int Before = 5;
        const int After = 100;
        await using Rig rig = await RigAsync($"in replies\ntask\nwrite replies 4000 {Before}\nhalt replies\nwrite replies 4000 {After}");
        using LibUsbDotNetHost host = new(rig.Device);
        await using BulkInQueue queue = host.Device.OpenBulkInQueue(rig.In, Depth, Rig.BufferLength);
        var reader = new FaultCollector(queue);
        await reader.ReceiveAsync(Before + After);
        reader.RequireUnbroken();
        IReadOnlyList<int> outstanding = [.. rig.Observer.Snapshot().OutstandingAtClearHalt(rig.Device.Address, rig.In)];
        CaseContext.Figure($"{reader.Describe()}; outstanding at CLEAR_FEATURE: {string.Join(", ", outstanding)}");
        CaseContext.Require(reader.Faults is [(Before, { Error: BulkInError.Stall, RecoversByItself: true })], $"one stall after {Before} was to be: {reader.Describe()}");
        CaseContext.Require(outstanding is [0], "the halt was not cleared once, with nothing outstanding");
        _ = context;
    }

    private static async Task Adapters(CaseContext context)
    {
        const int Each = 100;
        const int Length = 4000;
        await using Rig rig = await RigAsync($"in replies\ntask\nwrite replies {Length} {3 * Each}");
        using LibUsbDotNetHost host = new(rig.Device);
        await using BulkInQueue queue = host.Device.OpenBulkInQueue(rig.In, new BulkInQueueOptions { Depth = Depth, BufferLength = Rig.BufferLength });
        int number = 0;
        await foreach (BulkInLease packet in queue.ReadAllAsync())
        {
            CaseContext.Require(SequencedPayload.FirstDifference(packet.Span, number) < 0, $"packet {number} is not the one the device sent");
            if (++number == Each)
            {
                break;
            }
        }

        PipeReader pipe = queue.AsPipeReader();
        Task<ReadResult> reading = pipe.ReadAtLeastAsync(Each * Length).AsTask();
        await CaseContext.Within(reading, $"{Each * Length} bytes through the pipe");
        ReadOnlySequence<byte> bytes = (await reading).Buffer;
        byte[] transfer = new byte[Length];
        int piped = (int)(bytes.Length / Length);
        for (int index = 0; index < piped; index++)
        {
            bytes.Slice(index * Length, Length).CopyTo(transfer);
            CaseContext.Require(SequencedPayload.FirstDifference(transfer, number) < 0, $"the pipe's transfer {number} is not the one the device sent");
            number++;
        }

        pipe.AdvanceTo(bytes.End);
        await pipe.CompleteAsync();
        await using BulkInPump pump = queue.StartPump();
        while (number < 3 * Each)
        {
            using BulkInLease packet = await pump.Reader.ReadAsync();
            CaseContext.Require(SequencedPayload.FirstDifference(packet.Span, number) < 0, $"the pump's packet {number} is not the one the device sent");
            number++;
        }

        CaseContext.Figure($"{Each} by enumeration, {piped} by the pipe, {(3 * Each) - Each - piped} by the pump");
        _ = context;
    }

    private static async Task Alternate(CaseContext context)
    {
        DeviceDescription description = Rig.Dock(context) with
        {
            Interfaces =
            [
                new InterfaceDescription(0, [new EndpointDescription(0x84) { MaxPacketSize = 1024 }]),
                new InterfaceDescription(0, [new EndpointDescription(0x84, EndpointKind.Interrupt) { MaxPacketSize = 48 }]) { AlternateSetting = 1 },
            ],
        };
        using VirtualUsbDevice device = VirtualUsbDevice.Plug(description, new Sender());
        SysfsDevice seen = new(device.SysfsPath, device.BusNumber, device.DeviceAddress);
        using LibUsbDotNetHost host = new(seen);
        host.Device.SetAltInterface(1);
        string refused = "nothing";
        try
        {
            _ = host.Device.OpenBulkInQueue(0x84, Depth, 1024);
        }
        catch (ArgumentException exception)
        {
            refused = exception.Message;
        }

        await using BulkInQueue queue = host.Device.OpenBulkInQueue(0x84, Depth, 960);
        BulkInResult result = await queue.RecvAsync(new byte[960], CaseContext.Patience);
        CaseContext.Figure($"{refused} With 960: {result.Length} bytes");
        CaseContext.Require(refused.Contains("48", StringComparison.Ordinal) && refused.Contains("1056", StringComparison.Ordinal), $"the refusal does not name the max packet size and the next length: {refused}");
        CaseContext.Require(result is { IsData: true, Length: 40 }, $"the receive ends in {result}");
    }

    private static async Task Unplug(CaseContext context)
    {
        await using Rig rig = await RigAsync(Flood);
        using LibUsbDotNetHost host = new(rig.Device);
        BulkInQueue queue = host.Device.OpenBulkInQueue(rig.In, Depth, Rig.BufferLength);
        var reader = new FaultCollector(queue);
        await reader.ReceiveAsync(50);
        Task unplug = Task.Run(rig.Gadget.Device.Unbind);
        BulkInException gone = await reader.ReceiveToTheEndAsync();
        await unplug;
        reader.RequireUnbroken();
        await CaseContext.Within(queue.DisposeAsync().AsTask(), "disposing of the queue");
        await CaseContext.Within(Task.Run(host.Dispose), "closing device and context");
        CaseContext.Figure($"{reader.Describe()}; {queue.Statistics.Leaked} left behind");
        CaseContext.Require(gone.Error == BulkInError.DeviceGone && queue.Statistics.Leaked == 0, $"it ended in {gone.Error} with {queue.Statistics.Leaked} left behind");
        _ = context;
    }

    private static async Task Order(CaseContext context)
    {
        await using Rig rig = await RigAsync(Flood);
        ProcessResources start = default;
        int cycles = context.Size(20, 4);
        for (int cycle = 0; cycle <= cycles; cycle++)
        {
            using (LibUsbDotNetHost host = new(rig.Device))
            {
                BulkInQueue queue = host.Device.OpenBulkInQueue(rig.In, Depth, Rig.BufferLength);
                for (int count = 0; count < 20; count++)
                {
                    CaseContext.Require((await queue.RecvAsync(new byte[Rig.BufferLength], CaseContext.Patience)).IsData, "the device is silent");
                }

                await CaseContext.Within(queue.DisposeAsync().AsTask(), "disposing of the queue");
                TeardownCases.RequireNothingOutstanding(rig);
                CaseContext.Require(queue.Statistics.Leaked == 0, $"{queue.Statistics.Leaked} transfers were left behind");
                await CaseContext.Within(Task.Run(host.Dispose), "closing device and context");
            }

            // What the first cycle opens once and for all is no leak.
            start = cycle == 0 ? ProcessResources.Now() : start;
        }

        ProcessResources end = ProcessResources.Now();
        CaseContext.Figure($"{cycles} cycles; before {start}, after {end}");
        TeardownCases.RequireSame(start, end);
    }

    private static async Task ClosedFirst(CaseContext context, Action<LibUsbDotNetHost> close)
    {
        await using Rig rig = await RigAsync("in silent");
        using LibUsbDotNetHost host = new(rig.Device);
        BulkInQueue queue = host.Device.OpenBulkInQueue(rig.In, Depth, Rig.BufferLength);
        Task<BulkInResult> pending = queue.RecvAsync(new byte[Rig.BufferLength]).AsTask();
        long start = Stopwatch.GetTimestamp();
        await CaseContext.Within(Task.Run(() => close(host)), "LibUsbDotNet's close under an open queue");
        BulkInException? closed = null;
        try
        {
            await CaseContext.Within(pending, "the pending receive ends");
        }
        catch (BulkInException fault)
        {
            closed = fault;
        }

        TimeSpan noticed = Stopwatch.GetElapsedTime(start);
        await CaseContext.Within(queue.DisposeAsync().AsTask(), "disposing of the queue");
        CaseContext.Figure($"{closed?.Error} after {noticed.TotalMilliseconds:0} ms; {queue.Statistics.Leaked} transfers left behind on purpose: {closed?.Message}");
        CaseContext.Require(closed is { Error: BulkInError.HandleClosed, IsTerminal: true }, $"the receive ends in {closed?.Error}");
        CaseContext.Require(queue.Statistics.Leaked == Depth, $"{queue.Statistics.Leaked} of {Depth} transfers count as left behind");

        // The process is none the worse: the device can be used again, in the right order.
        using LibUsbDotNetHost again = new(rig.Device);
        await using BulkInQueue next = again.Device.OpenBulkInQueue(rig.In, Depth, Rig.BufferLength);
        CaseContext.Require(next.Statistics.Posted == Depth, $"{next.Statistics.Posted} of {Depth} are posted by the next queue");
        _ = context;
    }

    private static async Task TwoCopies(CaseContext context)
    {
        await using Rig rig = await RigAsync("in silent");
        string copy = Path.Combine(Path.GetTempPath(), "libusb-1.0.so.0");
        using (Process self = Process.GetCurrentProcess())
        {
            // The rig has loaded the system's, which is LibUsbDotNet's, too.
            string loaded = self.Modules.Cast<ProcessModule>().First(module => module.ModuleName.StartsWith("libusb-1.0", StringComparison.Ordinal)).FileName;
            File.Copy(loaded, copy, overwrite: true);
            System.Runtime.InteropServices.NativeLibrary.Load(copy);
        }

        using LibUsbDotNetHost host = new(rig.Device);
        string refused = "nothing";
        try
        {
            _ = host.Device.OpenBulkInQueue(rig.In, Depth, Rig.BufferLength);
        }
        catch (InvalidOperationException exception)
        {
            refused = exception.Message;
        }

        CaseContext.Figure(refused);
        CaseContext.Require(refused.Contains(copy, StringComparison.Ordinal), $"the refusal does not name {copy}: {refused}");
        _ = context;
    }

    /// <summary>A device and an observer; the library's own handle is closed again, so that LibUsbDotNet can have the device.</summary>
    private static async Task<Rig> RigAsync(string script)
    {
        Rig rig = await Rig.GadgetAsync(script);
        await rig.Host.DisposeAsync();
        return rig;
    }

    private static async Task ReceiveAsync(BulkInQueue queue, int transfers)
    {
        byte[] buffer = new byte[queue.BufferLength];
        for (int sequence = 0; sequence < transfers; sequence++)
        {
            BulkInResult result = await queue.RecvAsync(buffer, CaseContext.Patience);
            CaseContext.Require(result.IsData && SequencedPayload.FirstDifference(buffer.AsSpan(0, result.Length), sequence) < 0, $"transfer {sequence} is not the one the device sent");
        }
    }

    /// <summary>Answers every IN with 40 bytes, once.</summary>
    private sealed class Sender : UsbFunction
    {
        private int _sent;

        public override void Submitted(Urb urb)
        {
            if (urb.IsIn && Interlocked.Exchange(ref _sent, 1) == 0)
            {
                urb.Complete(new byte[40]);
            }
        }
    }
}
