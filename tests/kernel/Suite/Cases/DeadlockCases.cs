using BulkIn.DeviceScript;
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

    /// <summary>Shorter than a packet at any speed: what the device reads ends with a short one.</summary>
    public const int CommandLength = 500;

    private const int BufferLength = Rig.BufferLength;
    private const int ReplyLength = 6000;
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
        bool stalled = false;
        using (var host = new OneAtATimeReader(device))
        {
            byte[] command = new byte[CommandLength], reply = new byte[BufferLength];
            while (sent < Commands && !stalled)
            {
                if (host.Transfer(device.BulkOut, command, StallTime) is not null)
                {
                    sent++;
                    received += host.Transfer(device.BulkIn, reply, CaseContext.Patience) is not null ? 1 : 0;
                }
                else
                {
                    stalled = IsStuck(gadget, taken: sent, taking: received);
                }
            }
        }

        CaseContext.Figure($"{sent} of {Commands} OUTs and {received} of {Replies} replies, then a stall of {StallTime.TotalSeconds:0} s");
        CaseContext.Figure($"nothing posted for {EmptyShare(observer.Snapshot(), device)} of the time");
        TimelineFile.Write(context, "deadlock-one-at-a-time", observer.Snapshot(), device);
        CaseContext.Require(stalled && sent == 1 && received == 1, $"the device did not stall the naive host, so the other cases prove nothing: {sent} OUTs, {received} replies");
    }

    private static async Task Queue(CaseContext context, int depth)
    {
        await using Rig rig = await Rig.GadgetAsync(Device);
        await using BulkInQueue queue = rig.OpenQueue(depth);
        Task<int> sender = SendAsync(rig, Commands, CaseContext.Patience);
        (int received, int wrong) = await ReceiveAsync(queue);
        int sent = await sender;
        CaseContext.Figure($"{sent} of {Commands} OUTs and {received} of {Replies} replies");
        CaseContext.Figure($"nothing posted for {EmptyShare(rig.Observer.Snapshot(), rig.Device)} of the time");
        TimelineFile.Write(context, $"deadlock-depth{depth}", rig.Observer.Snapshot(), rig.Device);
        CaseContext.Require(sent == Commands, $"{sent} of {Commands} OUTs were accepted");
        CaseContext.Require(received == Replies, $"{received} of {Replies} replies arrived");
        CaseContext.Require(wrong == 0, $"{wrong} replies are not the ones the device sent at their place");
    }

    private static async Task Unread(CaseContext context)
    {
        const int Depth = 8;
        // Each command costs two buffers; the device takes one more, whose replies then find none.
        const int Absorbed = (Depth / 2) + 1;
        await using Rig rig = await Rig.GadgetAsync(Device);
        await using BulkInQueue queue = rig.OpenQueue(Depth, spareBuffers: 0);
        int sent = 0;
        while (!IsStuck(rig.Gadget, taken: Absorbed, taking: Depth))
        {
            sent += await SendAsync(rig, Commands - sent, StallTime);
            CaseContext.Require(sent <= Absorbed, $"{sent} OUTs went through without a reader where {Absorbed} fit");
        }

        Task<int> rest = SendAsync(rig, Commands - sent, CaseContext.Patience);
        (int received, int wrong) = await ReceiveAsync(queue);
        int sentLater = await rest;
        CaseContext.Figure($"{sent} OUTs without a reader at depth {Depth}, {sent + sentLater} of {Commands} OUTs and {received} of {Replies} replies with one");
        CaseContext.Require(sent == Absorbed, $"{sent} OUTs went through without a reader where {Absorbed} fit");
        CaseContext.Require(sent + sentLater == Commands && received == Replies, $"a late reader got {received} of {Replies} replies, {sent + sentLater} of {Commands} OUTs");
        CaseContext.Require(wrong == 0, $"{wrong} replies are not the ones the device sent at their place");
        _ = context;
    }

    // What tells a stall from a machine that is merely slow: the device has taken these commands, the host these replies, and the device waits in its next reply.
    private static bool IsStuck(ScriptedGadget gadget, int taken, int taking) =>
        gadget.Failure is null && gadget.Received == taken && gadget.Written == taking && taking < 2 * taken;

    private static async Task<(int Received, int Wrong)> ReceiveAsync(BulkInQueue queue)
    {
        int received = 0, wrong = 0;
        byte[] reply = new byte[BufferLength];
        while (received < Replies && await queue.RecvAsync(reply, CaseContext.Patience) is { IsData: true } result)
        {
            wrong += result.Length == ReplyLength && SequencedPayload.FirstDifference(reply.AsSpan(0, result.Length), received) < 0 ? 0 : 1;
            received++;
        }

        return (received, wrong);
    }

    private static async Task<int> SendAsync(Rig rig, int count, TimeSpan timeout)
    {
        byte[] command = new byte[CommandLength];
        int sent = 0;
        try
        {
            while (sent < count)
            {
                await rig.Host.WriteAsync(rig.Out, command, timeout);
                sent++;
            }
        }
        catch (BulkInException exception) when (exception.Error == BulkInError.Timeout)
        {
            // The stall: how far it came is the answer.
        }

        return sent;
    }

    // From the first command to the last thing that happened to the device.
    private static string EmptyShare(Timeline timeline, SysfsDevice device)
    {
        List<UsbMonEvent> bulk = [.. timeline.Events.Where(happened => happened.Device == device.Address && happened.TransferKind == UsbTransferKind.Bulk)];
        DepthProfile profile = timeline.Endpoint(device.Address, device.BulkIn).Profile(new TimeWindow(bulk[0].Microseconds, bulk[^1].Microseconds));
        return $"{1 - profile.ShareAtLeast(1):P1}";
    }
}
