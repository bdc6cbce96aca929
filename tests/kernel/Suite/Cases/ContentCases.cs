using System.Diagnostics;
using BulkIn.DeviceScript;
using BulkIn.UsbMon;

namespace BulkIn.Bench;

/// <summary>Every byte, once, in order: short, full and zero-length transfers whose bytes tell their number.</summary>
internal static class ContentCases
{
    private static readonly (int Depth, int Spares)[] Shapes = [(1, 0), (1, 2), (2, 0), (2, 2), (32, 0), (32, 2), (8, 0)];

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        .. Speeds(speed => new BenchCase(
            $"content.{Name(speed)}.depth8", "Transfers of random sizes (100 000 with --full) arrive exactly and in order.", context => OnGadget(8, 2, context.Size(100_000, 10_000)))
        {
            Speed = speed,
            TimeLimit = TimeSpan.FromSeconds(180),
            FullTimeLimit = TimeSpan.FromMinutes(20),
            Rows = [new FaultRow(1), new FaultRow(2), new FaultRow(3), new FaultRow(63)],
        }),
        .. Speeds(speed => Shapes.Select(shape => new BenchCase(
            $"content.{Name(speed)}.depth{shape.Depth}.spares{shape.Spares}",
            "Transfers of random sizes arrive exactly and in order, with and without spare buffers.",
            context => OnGadget(shape.Depth, shape.Spares, context.Size(5000, 1000)))
        {
            Speed = speed,
            Rows = [new FaultRow(1), new FaultRow(2), new FaultRow(3), new FaultRow(63)],
        })),
        new("content.virtual.depth8", "The same on a controller whose every answer a script gives.", context => OnVirtual(context, "data random\nrepeat", mustDisorder: false)),
        new("content.virtual.reversed", "Completions in reverse order are delivered in the order submitted.", context => OnVirtual(context, "hold 8\nrelease reverse random\nrepeat", mustDisorder: true))
        {
            Rows = [new FaultRow(8)],
        },
        new("content.virtual.shuffled", "Completions in random order are delivered in the order submitted.", context => OnVirtual(context, "hold 8\nrelease random random\nrepeat", mustDisorder: true))
        {
            Rows = [new FaultRow(8)],
        },
        new("content.every-length", "Short packets of every length up to one above a packet arrive as what they are, none merged and none split.", EveryLength) { Rows = [new FaultRow(1)] },
        new("content.zero-length", "A zero-length packet is a transfer of its own, alone and behind a full buffer; a full buffer ends no message.", ZeroLength)
        {
            Rows = [new FaultRow(2), new FaultRow(3)],
        },
        new("content.pieces", "A destination shorter than the transfer gets it in pieces, and nothing is lost.", Pieces) { Rows = [new FaultRow(4)] },
        new("content.flood", "A device that floods an absent reader is held off, and then everything arrives.", Flood) { Rows = [new FaultRow(5)] },
    ];

    private static async Task OnGadget(int depth, int spares, int transfers)
    {
        await using Rig rig = await Rig.GadgetAsync($"in replies\ntask\nawait\nwrite replies random {Rig.BufferLength} {transfers}", observe: false);
        await using BulkInQueue queue = rig.OpenQueue(depth, spares);
        rig.Gadget.Wake();
        await ReceiveAsync(queue, transfers, rig);
        // Exactly: nothing missing, and nothing more.
        CaseContext.Require(rig.Gadget.WaitForTasks(CaseContext.Patience), "the device has more to send");
        CaseContext.Require(rig.Gadget.Failure is null, $"the device failed: {rig.Gadget.Failure?.Message}");
        CaseContext.Require(rig.Gadget.Written == transfers, $"the device sent {rig.Gadget.Written} transfers of {transfers}");
        CaseContext.Require(!queue.TryRecv(new byte[Rig.BufferLength], out BulkInResult more), $"a transfer of {more.Length} bytes arrived that the device did not send");
        CaseContext.Require(queue.Statistics.Transfers == transfers, $"the library counts {queue.Statistics.Transfers} transfers of {transfers}");
    }

    private static async Task OnVirtual(CaseContext context, string script, bool mustDisorder)
    {
        // usbmon keeps the payloads too: short ones leave its ring room enough to miss nothing.
        const int Length = 2048;
        int transfers = context.Size(20_000, 2000);
        await using Rig rig = Rig.OnVirtual(context, $"on 0x84\n{script}");
        await using BulkInQueue queue = rig.OpenQueue(depth: 8, bufferLength: Length);
        await ReceiveAsync(queue, transfers, rig);
        Timeline timeline = rig.Observer.Snapshot();
        CaseContext.Require(timeline.Dropped == 0, $"usbmon dropped {timeline.Dropped} events: nothing can be concluded");
        int disordered = timeline.Endpoint(rig.Device.Address, rig.In).OutOfOrderCompletions;
        CaseContext.Figure($"{disordered} completions out of order (usbmon), {queue.Statistics.OutOfOrderCompletions} (library)");
        CaseContext.Require(disordered > 0 == mustDisorder, $"usbmon saw {disordered} completions out of order, so the device did not do what the case is about");
    }

    private static async Task EveryLength(CaseContext context)
    {
        // A whole packet has no end of its own on the bus: a zero-length one behind it, in the same transfer, ends it.
        int packet = context.PacketSize;
        string shorter = string.Concat(Enumerable.Range(1, packet - 1).Select(length => $"write replies {length}\n"));
        await using Rig rig = await Rig.GadgetAsync($"in replies\ntask\n{shorter}write replies {packet}\nwrite replies 0\nwrite replies {packet + 1}", observe: false);
        await using BulkInQueue queue = rig.OpenQueue(depth: 8);
        byte[] buffer = new byte[queue.BufferLength];
        for (int length = 1; length <= packet + 1; length++)
        {
            BulkInResult result = await queue.RecvAsync(buffer, CaseContext.Patience);
            int sequence = length <= packet ? length - 1 : length;
            CaseContext.Require(
                result.IsData && result.EndOfMessage && result.Length == length && SequencedPayload.FirstDifference(buffer.AsSpan(0, result.Length), sequence) < 0,
                $"where {length} bytes were sent, {result.Length} bytes arrived");
        }

        CaseContext.Figure($"1 to {packet + 1} bytes");
    }

    private static async Task ZeroLength(CaseContext context)
    {
        const int Full = Rig.BufferLength;
        int[] lengths = [0, Full, 0, 0, Full, Full, 100];
        await using Rig rig = await Rig.GadgetAsync($"in replies\ntask\n{string.Concat(lengths.Select(length => $"write replies {length}\n"))}");
        await using BulkInQueue queue = rig.OpenQueue(depth: 4);
        byte[] buffer = new byte[queue.BufferLength];
        for (int sequence = 0; sequence < lengths.Length; sequence++)
        {
            BulkInResult result = await queue.RecvAsync(buffer, CaseContext.Patience);
            CaseContext.Require(
                result.IsData && result.Length == lengths[sequence] && SequencedPayload.FirstDifference(buffer.AsSpan(0, result.Length), sequence) < 0,
                $"transfer {sequence} has {result.Length} bytes instead of {lengths[sequence]}");
            CaseContext.Require(result.EndOfMessage == result.Length < Full, $"transfer {sequence} with {result.Length} bytes says that it {(result.EndOfMessage ? "ends" : "does not end")} a message");
        }

        CaseContext.Figure($"{string.Join(", ", lengths)} bytes");
        _ = context;
    }

    private static async Task Pieces(CaseContext context)
    {
        const int Length = 5000;
        const int Piece = 1500;
        int transfers = context.Size(2000, 200);
        await using Rig rig = await Rig.GadgetAsync($"in replies\ntask\nwrite replies {Length} {transfers}");
        await using BulkInQueue queue = rig.OpenQueue(depth: 4);
        byte[] whole = new byte[Length], piece = new byte[Piece];
        for (int sequence = 0; sequence < transfers; sequence++)
        {
            int filled = 0;
            BulkInResult result;
            do
            {
                result = await queue.RecvAsync(piece, CaseContext.Patience);
                CaseContext.Require(
                    result.IsData && result.Sequence == sequence,
                    $"transfer {sequence} lacks the rest from byte {filled} on: next came {(result.IsData ? $"a piece of transfer {result.Sequence}" : result.Status.ToString())}");
                piece.AsSpan(0, result.Length).CopyTo(whole.AsSpan(filled));
                filled += result.Length;
                CaseContext.Require(result.EndOfMessage == (result.Remaining == 0), $"transfer {sequence} ends at {filled} with {result.Remaining} to come");
            }
            while (result.Remaining > 0);

            SequencedReader.RequireNumber(whole.AsSpan(0, filled), sequence, Length);
        }

        CaseContext.Figure($"{transfers} transfers of {Length} bytes in pieces of {Piece}");
    }

    private static async Task Flood(CaseContext context)
    {
        const int Depth = 8;
        const int Spares = 2;
        int transfers = 500;
        TimeSpan absence = TimeSpan.FromSeconds(context.Size(10, 2));
        await using Rig rig = await Rig.GadgetAsync($"in replies\ntask\nwrite replies 4000 {transfers}");
        await using BulkInQueue queue = rig.OpenQueue(Depth, Spares);
        await CaseContext.Until(() => rig.InTimeline.Outstanding == 0, "the device fills the queue", () => SequencedReader.Situation(queue, rig));
        await Task.Delay(absence);
        int absorbed = rig.InTimeline.Completions.Count();
        await new SequencedReader(queue, rig).ReceiveAsync(transfers);
        CaseContext.Figure($"{absorbed} transfers absorbed in {absence.TotalSeconds:0} s without a reader");
        CaseContext.Require(absorbed is >= Depth and <= Depth + Spares, $"{absorbed} transfers were absorbed by {Depth} slots and {Spares} spare buffers");
    }

    private static async Task ReceiveAsync(BulkInQueue queue, int transfers, Rig rig)
    {
        var reader = new SequencedReader(queue, rig) { Length = number => SequencedPayload.Length(number, queue.BufferLength) };
        long bytes = 0, start = Stopwatch.GetTimestamp();
        int empty = 0, filled = 0;
        for (int count = 0; count < transfers; count++)
        {
            int length = await reader.ReceiveAsync();
            bytes += length;
            empty += length == 0 ? 1 : 0;
            filled += length == queue.BufferLength ? 1 : 0;
        }

        CaseContext.Figure($"{transfers} transfers ({filled} full, {empty} zero-length), {bytes / 1e6:0.0} MB in {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s");
    }

    private static IEnumerable<BenchCase> Speeds(Func<BusSpeed, BenchCase> create) => [create(BusSpeed.Super), create(BusSpeed.High)];

    private static IEnumerable<BenchCase> Speeds(Func<BusSpeed, IEnumerable<BenchCase>> create) => [.. create(BusSpeed.Super), .. create(BusSpeed.High)];

    private static string Name(BusSpeed speed) => speed == BusSpeed.Super ? "super" : "high";
}
