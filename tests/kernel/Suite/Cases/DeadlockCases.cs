using BulkIn.Gadgets;
using BulkIn.UsbMon;

namespace BulkIn.Bench;

/// <summary>
/// The problem the library exists for. The device has one thread: it takes a command and answers with two large replies, and takes nothing more until the host
/// has both.
/// </summary>
internal static class DeadlockCases
{
    public const int Commands = 64;
    public const int Replies = 2 * Commands;

    private const int CommandLength = 512;
    private const int BufferLength = 16 * 1024;
    private static readonly TimeSpan StallTime = TimeSpan.FromSeconds(2);

    private const string Device = """
        out commands
        in replies
        task
        read commands
        write replies 6000 2
        repeat
        """;

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("deadlock.one-at-a-time", "A host that reads one transfer at a time stalls with its second command.", OneAtATime),
        .. new[] { 1, 2, 4, 8 }.Select(depth => new BenchCase(
            $"deadlock.depth{depth}", "A queue beside the sender gets every command and every reply through.", context => Queue(context, depth))),
        new("deadlock.unread", "Without a reader the queue absorbs depth times a buffer, and a late reader gets all of it.", Unread),
    ];

    private static async Task OneAtATime(CaseContext context)
    {
        using var gadget = new ScriptedGadget(GadgetScript.Parse(Device));
        SysfsDevice device = await SysfsDevice.WaitAsync(gadget.Device.SerialNumber);
        using var observer = new Observer(device.Bus);
        int sent = 0, received = 0;
        using (var host = new OneAtATimeReader(device))
        {
            byte[] command = new byte[CommandLength], reply = new byte[BufferLength];
            while (sent < Commands && host.Transfer(device.BulkOut, command, StallTime) is not null)
            {
                sent++;
                received += host.Transfer(device.BulkIn, reply, StallTime) is not null ? 1 : 0;
            }
        }

        EndpointTimeline replies = observer.Snapshot().Endpoint(device.Address, device.BulkIn);
        CaseContext.Figure($"{sent} of {Commands} OUTs and {received} of {Replies} replies, then a stall of {StallTime.TotalSeconds:0} s");
        CaseContext.Figure($"posted depth 0 for {Share(replies)} of the time");
        TimelineFile.Write(context, "deadlock-one-at-a-time", observer.Snapshot(), device);
        CaseContext.Require(sent == 1 && received == 1, $"the device did not stall the naive host, so the other cases prove nothing: {sent} OUTs, {received} replies");
    }

    private static async Task Queue(CaseContext context, int depth)
    {
        using var gadget = new ScriptedGadget(GadgetScript.Parse(Device));
        SysfsDevice device = await SysfsDevice.WaitAsync(gadget.Device.SerialNumber);
        using var observer = new Observer(device.Bus);
        await using HostDevice host = HostDevice.Open(gadget.Device.SerialNumber);
        await using BulkInQueue queue = host.Device.OpenBulkInQueue(device.BulkIn, depth, BufferLength);
        Task<int> sender = SendAsync(host.Device, device.BulkOut, CaseContext.Patience);
        int received = 0, wrong = 0;
        byte[] reply = new byte[BufferLength];
        while (received < Replies && await queue.RecvAsync(reply, CaseContext.Patience) is { IsData: true } result)
        {
            wrong += result.Length == 6000 && DeviceScript.SequencedPayload.FirstDifference(reply.AsSpan(0, result.Length), received) < 0 ? 0 : 1;
            received++;
        }

        int sent = await sender;
        EndpointTimeline replies = observer.Snapshot().Endpoint(device.Address, device.BulkIn);
        CaseContext.Figure($"{sent} of {Commands} OUTs and {received} of {Replies} replies");
        CaseContext.Figure($"posted depth 0 for {Share(replies)} of the time");
        TimelineFile.Write(context, $"deadlock-depth{depth}", observer.Snapshot(), device);
        CaseContext.Require(sent == Commands, $"{sent} of {Commands} OUTs were accepted");
        CaseContext.Require(received == Replies, $"{received} of {Replies} replies arrived");
        CaseContext.Require(wrong == 0, $"{wrong} replies are not the ones the device sent at their place");
    }

    private static async Task Unread(CaseContext context)
    {
        const int Depth = 8;
        using var gadget = new ScriptedGadget(GadgetScript.Parse(Device));
        SysfsDevice device = await SysfsDevice.WaitAsync(gadget.Device.SerialNumber);
        await using HostDevice host = HostDevice.Open(gadget.Device.SerialNumber);
        await using BulkInQueue queue = host.Device.OpenBulkInQueue(device.BulkIn, new BulkInQueueOptions { Depth = Depth, BufferLength = BufferLength, SpareBuffers = 0 });
        int sent = await SendAsync(host.Device, device.BulkOut, StallTime);
        int received = 0;
        byte[] reply = new byte[BufferLength];
        Task<int> rest = Task.CompletedTask.ContinueWith(_ => SendAsync(host.Device, device.BulkOut, CaseContext.Patience, Commands - sent), TaskScheduler.Default).Unwrap();
        while (received < Replies && await queue.RecvAsync(reply, CaseContext.Patience) is { IsData: true })
        {
            received++;
        }

        int sentLater = await rest;
        CaseContext.Figure($"{sent} OUTs without a reader at depth {Depth}, {sent + sentLater} of {Commands} OUTs and {received} of {Replies} replies with one");
        // Each command costs two buffers; the device accepts one more, whose replies then find none.
        CaseContext.Require(sent == (Depth / 2) + 1, $"{sent} OUTs went through without a reader where {(Depth / 2) + 1} fit");
        CaseContext.Require(sent + sentLater == Commands && received == Replies, $"a late reader got {received} of {Replies} replies, {sent + sentLater} of {Commands} OUTs");
    }

    private static async Task<int> SendAsync(LibUsbDevice device, byte endpoint, TimeSpan timeout, int count = Commands)
    {
        byte[] command = new byte[CommandLength];
        int sent = 0;
        try
        {
            while (sent < count)
            {
                await device.WriteAsync(endpoint, command, timeout);
                sent++;
            }
        }
        catch (BulkInException exception) when (exception.Error == BulkInError.Timeout)
        {
            // The stall: how far it came is the answer.
        }

        return sent;
    }

    private static string Share(EndpointTimeline replies)
    {
        if (replies.Events.Count == 0)
        {
            return "none";
        }

        DepthProfile profile = replies.Profile(replies.Events[0].Microseconds, replies.Events[^1].Microseconds);
        return $"{1 - profile.ShareAtLeast(1):P1}";
    }
}
