using BulkIn.DeviceScript;

namespace BulkIn.Bench;

/// <summary>The thread that handles events, interrupted and failing.</summary>
internal static class EventCases
{
    private const int Depth = 8;

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("events.interrupted", "A storm of signals and interruptions at the event thread loses nothing and is no fault.", Interrupted) { Rows = [new FaultRow(90, FaultLevels.Shim)] },
        new("events.failing", "Events that cannot be handled for good cost no processor; the teardown is bounded and says why.", Failing)
        {
            Rows = [new FaultRow(90, FaultLevels.Shim), new FaultRow(53, FaultLevels.Shim)],
            LeavesBehind = true,
        },
    ];

    private static async Task Interrupted(CaseContext context)
    {
        const int Answers = 20_000;
        int transfers = context.Size(20_000, 2000);
        await using Rig rig = await Rig.GadgetAsync($"in replies\ntask\nawait\nwrite replies random {Rig.BufferLength} {transfers}", observe: false);
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        Shim.Answer(ShimPoint.HandleEvents, LibUsbCodes.Interrupted, count: Answers);
        using var done = new CancellationTokenSource();
        Task<long> signals = Task.Run(() => InterruptAsync(done.Token));
        rig.Gadget.Wake();
        byte[] buffer = new byte[Rig.BufferLength];
        for (int sequence = 0; sequence < transfers; sequence++)
        {
            BulkInResult result = await queue.RecvAsync(buffer, CaseContext.Patience);
            CaseContext.Require(
                result.IsData && result.Length == SequencedPayload.Length(sequence, Rig.BufferLength) && SequencedPayload.FirstDifference(buffer.AsSpan(0, result.Length), sequence) < 0,
                $"transfer {sequence} is not the one the device sent");
        }

        await done.CancelAsync();
        CaseContext.Figure($"{transfers} transfers under {await signals} signals and {Answers} calls that answered INTERRUPTED; {queue.Statistics.Faults} faults");
        CaseContext.Require(Shim.Altered >= Answers + 100 && await signals > 100, "there were no interruptions to speak of");
        CaseContext.Require(queue.Statistics.Faults == 0, $"{queue.Statistics.Faults} faults were counted");
    }

    private static async Task<long> InterruptAsync(CancellationToken end)
    {
        long signals = 0;
        while (!end.IsCancellationRequested)
        {
            for (int burst = 0; burst < 10; burst++)
            {
                signals += Shim.InterruptPumps();
            }

            await Task.Delay(TimeSpan.FromMilliseconds(1), CancellationToken.None);
        }

        return signals;
    }

    private static async Task Failing(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync("in replies\ntask\nwrite replies 4000");
        var logger = new CollectingLogger();
        BulkInQueue queue = rig.Host.OpenBulkInQueue(
            rig.In, new BulkInQueueOptions { Depth = Depth, BufferLength = Rig.BufferLength, DisposeTimeout = TimeSpan.FromSeconds(1), Logger = logger });
        byte[] buffer = new byte[Rig.BufferLength];
        CaseContext.Require((await queue.RecvAsync(buffer, CaseContext.Patience)).IsData, "nothing arrives before the failure");
        Shim.Answer(ShimPoint.HandleEvents, LibUsbCodes.Other, count: Shim.ForEver);
        Shim.InterruptPumpsUntil(() => Shim.Altered > 0, "handling events fails");
        BulkInResult nothing = await queue.RecvAsync(buffer, TimeSpan.FromMilliseconds(200));
        double share = await CpuShare.MeasureAsync(TimeSpan.FromSeconds(1));
        await CaseContext.Within(queue.DisposeAsync().AsTask(), "DisposeAsync without events");
        CaseContext.Figure($"{nothing.Status}, {share:P1} of a processor, {Shim.Altered} failing calls; {queue.Statistics.Leaked} transfers left behind");
        CaseContext.Require(share < 0.05, $"an event thread that fails uses {share:P1} of a processor");
        CaseContext.Require(queue.Statistics.Leaked == Depth, $"{queue.Statistics.Leaked} of {Depth} transfers were left behind");
        logger.RequireSaid("the event thread that pumps this handle has stopped");

        // It works again: the completions come late, and do no harm.
        long told = Shim.Completions;
        Shim.ForgetOrders();
        await CaseContext.Until(() => Shim.Completions == told + Depth, "the completions come late");
        _ = context;
    }
}
