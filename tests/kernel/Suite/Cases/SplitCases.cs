using BulkIn.DeviceScript;
using BulkIn.UsbMon;

namespace BulkIn.Bench;

/// <summary>Transfers that libusb splits into several URBs, as it does on controllers without scatter and gather.</summary>
internal static class SplitCases
{
    private const int Length = 64 * 1024;
    private const int Part = 16 * 1024;
    private const int Depth = 4;

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("split.short", "A short packet in the first, a middle or the last URB of a transfer ends the transfer there.", Short) { Rows = [new FaultRow(10)], Environment = Split },
        new("split.failing", "A failure in a later URB delivers the bytes before it, and then the fault.", Failing) { Rows = [new FaultRow(10)], Environment = Split },
    ];

    // Under libusb, which asks the kernel what its controller can do.
    private static Dictionary<string, string> Split => new() { ["LD_PRELOAD"] = $"{Guest.Share}/shim/split.so" };

    private static async Task Short(CaseContext context)
    {
        int[] lengths = [100, Part - 1, Part + 500, (3 * Part) + 1, Length - 1, 4000];
        await using Rig rig = await Rig.GadgetAsync($"in replies\ntask\nawait\n{string.Concat(lengths.Select(length => $"write replies {length}\n"))}");
        await using BulkInQueue queue = rig.OpenQueue(Depth, bufferLength: Length);
        RequireSplit(rig);
        rig.Gadget.Wake();
        byte[] buffer = new byte[Length];
        for (int sequence = 0; sequence < lengths.Length; sequence++)
        {
            BulkInResult result = await queue.RecvAsync(buffer, CaseContext.Patience);
            CaseContext.Require(
                result.IsData && result.EndOfMessage && result.Length == lengths[sequence] && SequencedPayload.FirstDifference(buffer.AsSpan(0, result.Length), sequence) < 0,
                $"transfer {sequence} has {result.Length} bytes instead of {lengths[sequence]}");
        }

        CaseContext.Figure($"{string.Join(", ", lengths)} bytes");
        CaseContext.Require(queue.Statistics.Faults == 0, $"{queue.Statistics.Faults} faults were counted");
        _ = context;
    }

    private static async Task Failing(CaseContext context)
    {
        const int Before = 1000;
        await using Rig rig = Rig.OnVirtual(context, $"on 0x84\nsilence\ndata full\nfail error with {Before}\nsilence\ndata 4000");
        await using BulkInQueue queue = rig.OpenQueue(Depth, bufferLength: Length);
        RequireSplit(rig);
        rig.Function.Wake(rig.In);
        byte[] buffer = new byte[Length];
        BulkInResult result = await queue.RecvAsync(buffer, CaseContext.Patience);
        BulkInException fault = await FaultCases.FaultOfAsync(queue.RecvAsync(buffer, CaseContext.Patience).AsTask());
        CaseContext.Figure($"{result.Length} bytes, then {fault.Error} at byte {fault.BytePosition}");
        CaseContext.Require(result.Length == Part + Before, $"{result.Length} bytes were delivered of the failed transfer, which had {Part + Before}");
        CaseContext.Require(fault.Error == BulkInError.TransferError && fault.RecoversByItself, $"it was reported as {fault.Error}");
        await CaseContext.Until(() => queue is { State: BulkInState.Running, Statistics.Posted: Depth }, "the queue recovers");
        rig.Function.Wake(rig.In);
        CaseContext.Require((await queue.RecvAsync(buffer, CaseContext.Patience)).Length == 4000, "nothing arrives after the recovery");
    }

    private static void RequireSplit(Rig rig)
    {
        EndpointTimeline seen = rig.InTimeline;
        CaseContext.Require(seen.Submissions == Depth * Length / Part, $"{Depth} transfers were submitted as {seen.Submissions} URBs, so the case shows nothing");
    }
}
