using System.Diagnostics;
using BulkIn.DeviceScript;

namespace BulkIn.Bench;

/// <summary>Completions that are not what they should be, come late, or never: delivered or reported, and nothing is freed before its completion.</summary>
internal static class CompletionCases
{
    private const int Depth = 8;

    // Silent until woken, so that every transfer is posted by then; then the first one fails.
    private const string OneStall = "on 0x84\nsilence\nfail stall\nsilence";

    // Silent until woken; then every posted transfer is answered.
    private static readonly string Silent = $"on 0x84\nsilence\n{string.Concat(Enumerable.Repeat("data 4000\n", Depth))}silence";
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(1);

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("completion.split", "Bytes of a transfer whose later part failed are delivered before the fault.", LaterPartFails) { Rows = [new FaultRow(10, FaultLevels.Shim)] },
        new("completion.unknown", "A status that nobody knows is a fault with its number; a length that cannot be is clamped.", Unknown) { Rows = [new FaultRow(29, FaultLevels.Shim)] },
        new("completion.unasked-cancel", "A cancel that nobody asked for is an interruption: not swallowed, and not posted again.", UnaskedCancel) { Rows = [new FaultRow(38, FaultLevels.Shim)] },
        new("completion.before-cancel", "Transfers that complete while their cancel says NOT_FOUND are received as any other.", BeforeCancel) { Rows = [new FaultRow(47, FaultLevels.Shim)] },
        new("completion.missing", "A completion that never comes ends the teardown at its bound: reported, left behind on purpose, and the process goes on.", Missing)
        {
            Rows = [new FaultRow(50, FaultLevels.Shim)],
            LeavesBehind = true,
        },
        new("completion.late", "Completions after the teardown's bound do no harm.", Late) { Rows = [new FaultRow(68, FaultLevels.Shim)], LeavesBehind = true },
        new("completion.late.in-time", "Completions after a recovery's bound and before the teardown leave nothing behind.", LateForRecovery) { Rows = [new FaultRow(68, FaultLevels.Shim)] },
        new("completion.missing-sibling", "A stall with a sibling that never comes back is not recovered: no halt is cleared and nothing posted under it.", MissingSibling)
        {
            Rows = [new FaultRow(66, FaultLevels.Shim)],
            LeavesBehind = true,
        },
        new("completion.missing-pause", "A pause and a stop that miss a completion end at their bound and say so.", MissingPause) { Rows = [new FaultRow(75, FaultLevels.Shim)], LeavesBehind = true },
        new("cancel.blocks", "A cancel that blocks holds up neither its caller nor the data, and nothing is freed under it.", CancelBlocks) { Rows = [new FaultRow(67, FaultLevels.Shim)] },
    ];

    private static async Task LaterPartFails(CaseContext context)
    {
        const int Total = 60;
        await using Rig rig = Rig.OnVirtual(context, $"on 0x84\ndata 4000\nrepeat {Total}");
        Shim.Alter(LibUsbCodes.Error, length: 2500, skip: 20);
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        var reader = new FaultCollector(queue);
        await reader.ReceiveAsync(Total);
        CaseContext.Figure(reader.Describe());
        CaseContext.Require(reader.Faults is [(21, { Error: BulkInError.TransferError, BytePosition: (20 * 4000) + 2500 })], $"one TransferError behind the bytes was to be reported: {reader.Describe()}");
        reader.RequireUnbroken();
    }

    private static async Task Unknown(CaseContext context)
    {
        const int Total = 100;
        await using Rig rig = Rig.OnVirtual(context, $"on 0x84\ndata 4000\nrepeat {Total}");
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        byte[] buffer = new byte[Rig.BufferLength];
        foreach (int status in new[] { LibUsbCodes.Unknown, LibUsbCodes.TimedOut })
        {
            Shim.Alter(status);
            BulkInException? fault = null;
            while (fault is null)
            {
                try
                {
                    CaseContext.Require((await queue.RecvAsync(buffer, CaseContext.Patience)).IsData, "the data stopped before the fault");
                }
                catch (BulkInException exception)
                {
                    fault = exception;
                }
            }

            CaseContext.Figure($"status {status}: {fault.Error} ({fault.NativeCode})");
            CaseContext.Require(fault.NativeCode == status && fault.RecoversByItself, $"status {status} was reported as {fault.Error} ({fault.NativeCode}): {fault.Message}");
        }

        foreach ((int altered, int expected) in new[] { (-5, 0), (int.MaxValue, Rig.BufferLength) })
        {
            Shim.Alter(length: altered);
            BulkInResult result;
            do
            {
                result = await queue.RecvAsync(buffer, CaseContext.Patience);
                CaseContext.Require(result.IsData, $"no transfer of {expected} bytes came, though one had its length altered to {altered}");
            }
            while (result.Length != expected);
            CaseContext.Figure($"length {altered}: {result.Length} bytes");
        }
    }

    private static async Task UnaskedCancel(CaseContext context)
    {
        const int Total = 100;
        await using Rig rig = Rig.OnVirtual(context, $"on 0x84\ndata 4000\nrepeat {Total}");
        Shim.Alter(LibUsbCodes.Cancelled, skip: 20);
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        var reader = new FaultCollector(queue);
        BulkInException fault = await reader.ReceiveToTheEndAsync();
        int submissions = rig.InTimeline.Submissions;
        double share = await CpuShare.MeasureAsync(TimeSpan.FromMilliseconds(500));
        CaseContext.Require(fault.Error == BulkInError.Interrupted && queue.State == BulkInState.Faulted, $"it was reported as {fault.Error}, {queue.State}: {fault.Message}");
        CaseContext.Require(rig.InTimeline.Submissions == submissions, "transfers were posted again without being asked to");
        await CaseContext.Within(queue.RecoverAsync(), "RecoverAsync");
        await reader.ReceiveAsync(Total);
        CaseContext.Figure($"{reader.Describe()}; {share:P1} of a processor while faulted");
        CaseContext.Require(reader.Faults.Count == 1, $"it was to be one fault: {reader.Describe()}");
        reader.RequireUnbroken();
    }

    private static async Task BeforeCancel(CaseContext context)
    {
        await using Rig rig = Rig.OnVirtual(context, Silent);
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        // The thread that handles events stands before libusb, so what completes meanwhile is not told: such a transfer's cancel finds nothing to cancel.
        Shim.GatePump();
        rig.Function.Wake(rig.In);
        await CaseContext.Until(() => rig.InTimeline.Outstanding == 0, "the device answers every transfer");
        Task stop = queue.StopAsync();
        await CaseContext.Until(() => Shim.Cancels == Depth, "every transfer is cancelled");
        CaseContext.Require(!stop.IsCompleted, "StopAsync did not wait for the completions");
        Shim.OpenGate();
        await CaseContext.Within(stop, "StopAsync");
        var reader = new FaultCollector(queue);
        await reader.ReceiveAsync(Depth);
        CaseContext.Figure($"{reader.Describe()}, then {(await queue.RecvAsync(new byte[Rig.BufferLength], CaseContext.Patience)).Status}");
        reader.RequireUnbroken();
        CaseContext.Require(queue.Statistics is { Faults: 0, Transfers: Depth }, $"the library counts {queue.Statistics.Transfers} transfers and {queue.Statistics.Faults} faults");
    }

    private static async Task Missing(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync("in silent");
        await using Rig other = Rig.OnVirtual(context, "on 0x84\ndata 4000\nrepeat");
        var logger = new CollectingLogger();
        BulkInQueue queue = rig.Host.OpenBulkInQueue(rig.In, Bounded(logger));
        Shim.Swallow(count: Depth);
        await DisposeWithinBoundAsync(queue);
        CaseContext.Require(queue.Statistics.Leaked == Depth, $"{queue.Statistics.Leaked} of {Depth} transfers were left behind");
        logger.RequireSaid($"left {Depth} transfers");
        await RequireProcessGoesOnAsync(other);
    }

    private static async Task Late(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync("in silent");
        await using Rig other = Rig.OnVirtual(context, "on 0x84\ndata 4000\nrepeat");
        Shim.Hold(count: Depth);
        await AbandonAsync(rig);

        // What nobody held is gone by now: what the late completions touch is only what the library kept for them.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        GC.WaitForPendingFinalizers();
        int told = Shim.Release();
        CaseContext.Figure($"{told} completions told after the teardown");
        CaseContext.Require(told == Depth, $"{told} of {Depth} completions were told late");
        await RequireProcessGoesOnAsync(other);
    }

    private static async Task AbandonAsync(Rig rig)
    {
        BulkInQueue queue = rig.Host.OpenBulkInQueue(rig.In, Bounded());
        await DisposeWithinBoundAsync(queue);
        CaseContext.Require(queue.Statistics.Leaked == Depth, $"{queue.Statistics.Leaked} of {Depth} transfers were left behind");
    }

    private static async Task LateForRecovery(CaseContext context)
    {
        await using Rig rig = Rig.OnVirtual(context, OneStall);
        Shim.Hold(skip: 1, count: Depth - 1);
        BulkInQueue queue = rig.Host.OpenBulkInQueue(rig.In, Bounded());
        rig.Function.Wake(rig.In);
        var reader = new FaultCollector(queue);
        BulkInException fault = await reader.ReceiveToTheEndAsync();
        CaseContext.Require(fault.Error == BulkInError.CompletionMissing, $"it was reported as {fault.Error}: {fault.Message}");
        int told = Shim.Release();
        await CaseContext.Within(queue.DisposeAsync().AsTask(), "DisposeAsync");
        CaseContext.Figure($"{reader.Describe()}, {told} completions told later, {queue.Statistics.Leaked} transfers left behind");
        CaseContext.Require(told == Depth - 1 && queue.Statistics.Leaked == 0, $"{queue.Statistics.Leaked} transfers were left behind");
    }

    private static async Task MissingSibling(CaseContext context)
    {
        await using Rig rig = Rig.OnVirtual(context, OneStall);
        Shim.Swallow(skip: 1, count: Shim.ForEver);
        BulkInQueue queue = rig.Host.OpenBulkInQueue(rig.In, Bounded());
        rig.Function.Wake(rig.In);
        var reader = new FaultCollector(queue);
        BulkInException fault = await reader.ReceiveToTheEndAsync();
        BulkInException refused = await FaultCases.FaultOfAsync(queue.RecoverAsync());
        int submissions = rig.InTimeline.Submissions;
        CaseContext.Figure($"{reader.Describe()}; RecoverAsync: {refused.Error}; {submissions} submissions");
        CaseContext.Require(fault.Error == BulkInError.CompletionMissing && refused.Error == BulkInError.CompletionMissing, $"it was reported as {fault.Error}, then {refused.Error}");
        CaseContext.Require(submissions == Depth, $"{submissions - Depth} transfers were posted under the missing ones");
        CaseContext.Require(rig.Observer.Snapshot().OutstandingAtClearHalt(rig.Device.Address, rig.In).Count == 0, "a halt was cleared under the missing transfers");
        await DisposeWithinBoundAsync(queue);
        CaseContext.Require(queue.Statistics.Leaked == Depth - 1, $"{queue.Statistics.Leaked} of {Depth - 1} transfers were left behind");
    }

    private static async Task MissingPause(CaseContext context)
    {
        Shim.Swallow(count: 1);
        await using (Rig rig = Rig.OnVirtual(context, Silent))
        {
            BulkInQueue queue = rig.Host.OpenBulkInQueue(rig.In, Bounded());
            BulkInException refused = await FaultCases.FaultOfAsync(queue.PauseAsync());
            CaseContext.Figure($"PauseAsync: {refused.Error}, {queue.State}");
            CaseContext.Require(refused.Error == BulkInError.CompletionMissing && queue.State == BulkInState.Faulted, $"PauseAsync ended in {refused.Error}, {queue.State}");
            await DisposeWithinBoundAsync(queue);
            CaseContext.Require(queue.Statistics.Leaked == 1, $"{queue.Statistics.Leaked} transfers were left behind instead of one");
        }

        Shim.Swallow(count: 1);
        await using (Rig rig = Rig.OnVirtual(context, Silent))
        {
            BulkInQueue queue = rig.Host.OpenBulkInQueue(rig.In, Bounded());
            await CaseContext.Within(queue.StopAsync(), "StopAsync with a completion missing");
            BulkInException missing = await FaultCases.FaultOfAsync(queue.RecvAsync(new byte[Rig.BufferLength], CaseContext.Patience).AsTask());
            BulkInStatus then = (await queue.RecvAsync(new byte[Rig.BufferLength], CaseContext.Patience)).Status;
            CaseContext.Figure($"StopAsync: {missing.Error}, then {then}");
            CaseContext.Require(missing.Error == BulkInError.CompletionMissing && then == BulkInStatus.Stopped, $"a stopped queue answered {missing.Error}, then {then}");
            await DisposeWithinBoundAsync(queue);
        }
    }

    private static async Task CancelBlocks(CaseContext context)
    {
        await using Rig rig = Rig.OnVirtual(context, Silent);
        BulkInQueue queue = rig.Host.OpenBulkInQueue(rig.In, Bounded());
        Shim.Gate(ShimPoint.Cancel);
        long start = Stopwatch.GetTimestamp();
        Task stop = queue.StopAsync();
        double returned = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        Shim.WaitForGate();
        rig.Function.Wake(rig.In);

        // Every completion comes, and the cancel still blocks: the bound ends the stop, and the data is there.
        await CaseContext.Within(stop, "StopAsync with a cancel that blocks");
        double took = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        byte[] buffer = new byte[Rig.BufferLength];
        for (int sequence = 0; sequence < Depth; sequence++)
        {
            BulkInResult result = await queue.RecvAsync(buffer, CaseContext.Patience);
            CaseContext.Require(result.IsData && SequencedPayload.FirstDifference(buffer.AsSpan(0, result.Length), sequence) < 0, $"transfer {sequence} is not the one the device sent");
        }

        Task dispose = queue.DisposeAsync().AsTask();
        Shim.OpenGate();
        await CaseContext.Within(dispose, "DisposeAsync once the cancel returns");
        CaseContext.Figure($"StopAsync returned its task after {returned:0.0} ms and ended after {took:0} ms; {queue.Statistics.Leaked} transfers left behind");
        CaseContext.Require(queue.Statistics.Leaked == 0, $"{queue.Statistics.Leaked} transfers were left behind");
        CaseContext.Require(took >= Bound.TotalMilliseconds, "the stop did not wait for the cancel, so the case shows nothing");
    }

    private static BulkInQueueOptions Bounded(CollectingLogger? logger = null)
    {
        var options = new BulkInQueueOptions { Depth = Depth, BufferLength = Rig.BufferLength, DisposeTimeout = Bound };
        return logger is null ? options : options with { Logger = logger };
    }

    private static async Task DisposeWithinBoundAsync(BulkInQueue queue)
    {
        long start = Stopwatch.GetTimestamp();
        await CaseContext.Within(queue.DisposeAsync().AsTask(), "DisposeAsync with completions missing");
        CaseContext.Figure($"DisposeAsync took {Stopwatch.GetElapsedTime(start).TotalMilliseconds:0} ms of {Bound.TotalMilliseconds:0}; {queue.Statistics.Leaked} transfers left behind");
    }

    private static async Task RequireProcessGoesOnAsync(Rig other)
    {
        await using BulkInQueue queue = other.OpenQueue(Depth);
        var reader = new FaultCollector(queue);
        await reader.ReceiveAsync(100);
        reader.RequireUnbroken();
    }
}
