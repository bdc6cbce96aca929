using BulkIn.DeviceScript;

namespace BulkIn.Bench;

/// <summary>The pump: it drains while nobody reads, and does with too much what its full mode says.</summary>
internal static class PumpCases
{
    private const int Depth = 4;
    private const int Capacity = 4;
    private const int Sent = 20;
    private const int Length = 4000;

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("pump.unread", "With a pump at work and nobody reading it, the single-threaded device gets every command and every reply through.", Unread) { Rows = [new FaultRow(5)] },
        new("pump.wait", "A full pump waits: the device is held off, and nothing is lost.", Wait) { Rows = [new FaultRow(5)] },
        Dropping(BulkInPumpFullMode.DropOldest, "the latest packets stay", [16, 17, 18, 19]),
        Dropping(BulkInPumpFullMode.DropNewest, "the oldest packets and the very last stay", [0, 1, 2, 19]),
        Dropping(BulkInPumpFullMode.DropWrite, "the oldest packets stay", [0, 1, 2, 3]),
        new("pump.fault", "A full pump ends with PumpOverrun, and what came later waits in the queue.", Fault),
        new("pump.unplug", "The channel completes with the unplug, after everything that had arrived.", Unplug) { Rows = [new FaultRow(32)] },
    ];

    private static async Task Unread(CaseContext context)
    {
        const int Commands = DeadlockCases.Commands;
        const int Replies = DeadlockCases.Replies;
        await using Rig rig = await Rig.GadgetAsync("out commands\nin replies\ntask\nread commands\nwrite replies 6000 2\nrepeat");
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        await using BulkInPump pump = queue.StartPump(Replies);
        byte[] command = new byte[DeadlockCases.CommandLength];
        int sent = 0;
        for (; sent < Commands; sent++)
        {
            await rig.Host.WriteAsync(rig.Out, command, CaseContext.Patience);
        }

        await CaseContext.Until(() => pump.Reader.Count == Replies, "every reply waits in the channel");
        List<long> numbers = await ReadAsync(pump);
        CaseContext.Figure($"{sent} of {Commands} OUTs and {numbers.Count} of {Replies} replies, which nobody read before the last OUT");
        RequireNumbers(numbers, [.. Enumerable.Range(0, Replies)]);
        _ = context;
    }

    private static async Task Wait(CaseContext context)
    {
        await using Rig rig = await NewRigAsync();
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        await using BulkInPump pump = queue.StartPump(Capacity);
        await CaseContext.Until(
            () => rig.InTimeline is { Outstanding: 0, Submissions: > Depth }, "the device fills pump and queue", () => SequencedReader.Situation(queue, rig));

        // The one that the pump has in hand, and a spare buffer's.
        int held = rig.InTimeline.Completions.Count();
        List<long> numbers = [];
        while (numbers.Count < Sent)
        {
            using BulkInLease packet = await pump.Reader.ReadAsync();
            numbers.Add(SequencedPayload.Read(packet.Span));
        }

        CaseContext.Figure($"{held} transfers held by a channel of {Capacity}, a queue of {Depth} and its spares; {numbers.Count} of {Sent} read, {pump.Dropped} dropped");
        RequireNumbers(numbers, [.. Enumerable.Range(0, Sent)]);
        CaseContext.Require(held < Sent && pump.Dropped == 0, $"{held} transfers were taken, {pump.Dropped} dropped");
        _ = context;
    }

    private static BenchCase Dropping(BulkInPumpFullMode mode, string what, int[] kept) => new(
        $"pump.{(mode == BulkInPumpFullMode.DropOldest ? "drop-oldest" : mode == BulkInPumpFullMode.DropNewest ? "drop-newest" : "drop-write")}",
        $"A full pump drops, counts what it dropped, and {what}.",
        async _ =>
        {
            await using Rig rig = await NewRigAsync();
            await using BulkInQueue queue = rig.OpenQueue(Depth);
            await using BulkInPump pump = queue.StartPump(Capacity, mode);
            await CaseContext.Until(() => pump.Dropped + pump.Reader.Count == Sent, "every transfer was taken or dropped");
            List<long> numbers = await ReadAsync(pump);
            CaseContext.Figure($"kept {string.Join(" ", numbers)}; dropped {pump.Dropped} packets, {pump.DroppedBytes} bytes; {queue.Statistics.BytesDiscarded} discarded");
            RequireNumbers(numbers, kept);
            CaseContext.Require(
                pump.Dropped == Sent - Capacity && pump.DroppedBytes == (Sent - Capacity) * Length && queue.Statistics.BytesDiscarded == pump.DroppedBytes,
                "the counts do not add up");
        });

    private static async Task Fault(CaseContext context)
    {
        await using Rig rig = await NewRigAsync();
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        await using BulkInPump pump = queue.StartPump(Capacity, BulkInPumpFullMode.Fault);
        BulkInException? overrun = null;
        List<long> numbers = [];
        try
        {
            await CaseContext.Until(() => pump.Reader.Count == Capacity + 1, "the pump overruns");
            while (true)
            {
                using BulkInLease packet = await pump.Reader.ReadAsync();
                numbers.Add(SequencedPayload.Read(packet.Span));
            }
        }
        catch (System.Threading.Channels.ChannelClosedException closed)
        {
            overrun = closed.InnerException as BulkInException;
        }

        CaseContext.Require(overrun?.Error == BulkInError.PumpOverrun, $"the channel was completed with {overrun?.Error}");
        int pumped = numbers.Count;
        byte[] buffer = new byte[Rig.BufferLength];
        while (numbers.Count < Sent)
        {
            BulkInResult result = await queue.RecvAsync(buffer, CaseContext.Patience);
            CaseContext.Require(result.IsData, $"transfer {numbers.Count} does not arrive");
            numbers.Add(SequencedPayload.Read(buffer.AsSpan(0, result.Length)));
        }

        CaseContext.Figure($"{pumped} by the pump, {overrun!.Error} before transfer {overrun.Sequence}, {Sent - pumped} by RecvAsync");
        RequireNumbers(numbers, [.. Enumerable.Range(0, Sent)]);
        CaseContext.Require(overrun.Sequence == pumped && overrun.RecoversByItself, $"the overrun is said to be before transfer {overrun.Sequence}");
        _ = context;
    }

    private static async Task Unplug(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync($"in replies\ntask\nwrite replies {Length} {Sent}\nunbind");
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        await using BulkInPump pump = queue.StartPump();
        await CaseContext.Until(() => queue.State == BulkInState.Gone, "the queue notices the unplug");
        List<long> numbers = [];
        await foreach (BulkInLease packet in pump.Reader.ReadAllAsync())
        {
            using (packet)
            {
                numbers.Add(SequencedPayload.Read(packet.Span));
            }
        }

        CaseContext.Figure($"{numbers.Count} of {Sent}, then the end of the channel");
        RequireNumbers(numbers, [.. Enumerable.Range(0, Sent)]);
        _ = context;
    }

    private static Task<Rig> NewRigAsync() => Rig.GadgetAsync($"in replies\ntask\nwrite replies {Length} {Sent}");

    private static async Task<List<long>> ReadAsync(BulkInPump pump)
    {
        await pump.StopAsync();
        List<long> numbers = [];
        await foreach (BulkInLease packet in pump.Reader.ReadAllAsync())
        {
            using (packet)
            {
                CaseContext.Require(SequencedPayload.FirstDifference(packet.Span, SequencedPayload.Read(packet.Span)) < 0, $"packet {numbers.Count} is torn");
                numbers.Add(SequencedPayload.Read(packet.Span));
            }
        }

        return numbers;
    }

    private static void RequireNumbers(List<long> numbers, int[] expected) =>
        CaseContext.Require(numbers.SequenceEqual(expected.Select(number => (long)number)), $"the packets read are {string.Join(" ", numbers)}, not {string.Join(" ", expected)}");
}
