using System.Diagnostics;
using BulkIn.UsbMon;

namespace BulkIn.Bench;

/// <summary>DisposeAsync, in every state a queue may be in: nothing outstanding afterwards, nothing kept, and the device can be opened again at once.</summary>
internal static class TeardownCases
{
    private const int Depth = 8;
    private const string Flood = "in replies\ntask\nwrite replies 4000\nrepeat";
    private const string Silent = "in replies\ntask\nawait\nwrite replies 4000\nrepeat";

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("teardown.idle", "Disposing with every transfer posted and nothing coming.", context => OnGadget(context, Silent, Depth, Nothing)) { Rows = [new FaultRow(45)] },
        new("teardown.idle.depth32", "Disposing of 32 idle posted transfers.", context => OnGadget(context, Silent, 32, Nothing)) { Rows = [new FaultRow(45)] },
        new("teardown.traffic", "Disposing under full traffic.", context => OnGadget(context, Flood, Depth, ReceiveSome)),
        new("teardown.unread", "Disposing with undelivered data in every slot.", context => OnGadget(context, Flood, Depth, LeaveUnread)),
        new("teardown.pending", "Disposing twice at once with a receive pending ends it with ObjectDisposedException.", context => OnGadget(context, Silent, Depth, Pending))
        {
            Rows = [new FaultRow(59)],
        },
        new("teardown.recovery", "Disposing while the halt is being cleared: dispose wins, and nothing is posted again.", DuringRecovery) { Rows = [new FaultRow(25)] },
    ];

    /// <summary>Brings a queue into the state in which it is disposed of.</summary>
    /// <returns>What is to happen, or to be seen, once DisposeAsync was called.</returns>
    private delegate Task<Func<Task>> Arrangement(Rig rig, BulkInQueue queue);

    public static void RequireNothingOutstanding(Rig rig)
    {
        EndpointTimeline seen = rig.InTimeline;
        CaseContext.Require(seen.Outstanding == 0, $"{seen.Outstanding} URBs are still outstanding after DisposeAsync");
    }

    public static void RequireSame(ProcessResources start, ProcessResources end)
    {
        CaseContext.Require(
            start.UsbDescriptors == end.UsbDescriptors && start.UsbMappings == end.UsbMappings && start.Descriptors == end.Descriptors,
            $"the process held {start}, and now holds {end}");
    }

    private static async Task OnGadget(CaseContext context, string script, int depth, Arrangement arrange)
    {
        await using Rig rig = await Rig.GadgetAsync(script);
        await RepeatAsync(context, rig, depth, arrange, rig.Gadget.Wake);
    }

    private static async Task DuringRecovery(CaseContext context)
    {
        using var function = new SlowClearHalt();
        await using Rig rig = Rig.OnVirtual(context, function);
        await RepeatAsync(context, rig, Depth, (_, queue) => Recovering(rig, queue, function), () => function.Send(new byte[4000]));
        CaseContext.Figure($"outstanding at CLEAR_FEATURE: {string.Join(", ", rig.Observer.Snapshot().OutstandingAtClearHalt(rig.Device.Address, rig.In))}");
    }

    // Opens, arranges and disposes, again and again; then opens the device anew, and lets it send.
    private static async Task RepeatAsync(CaseContext context, Rig rig, int depth, Arrangement arrange, Action letSend)
    {
        int cycles = context.Size(20, 5);
        // What the first cycle opens once and for all is no leak.
        await CycleAsync(rig, depth, arrange);
        ProcessResources start = ProcessResources.Now();
        TimeSpan longest = TimeSpan.Zero;
        int mapped = 0;
        for (int cycle = 0; cycle < cycles; cycle++)
        {
            (TimeSpan time, mapped) = await CycleAsync(rig, depth, arrange);
            longest = time > longest ? time : longest;
            RequireSame(start, ProcessResources.Now());
        }

        CaseContext.Figure($"{cycles} times, longest {longest.TotalMilliseconds:0.0} ms; {start} each time, {mapped} USB mappings while open");
        CaseContext.Require(mapped > start.UsbMappings, "the queue mapped no device memory, so nothing is shown about mappings");
        await rig.Host.DisposeAsync();
        ProcessResources closed = ProcessResources.Now();
        CaseContext.Require(closed is { UsbDescriptors: 0, UsbMappings: 0 }, $"with the device closed, the process still holds {closed}");

        letSend();
        await rig.ReopenAsync();
        await using BulkInQueue again = rig.OpenQueue(depth);
        BulkInResult result = await again.RecvAsync(new byte[Rig.BufferLength], CaseContext.Patience);
        CaseContext.Require(result.IsData, "the device opened again at once sends nothing");
    }

    private static async Task<(TimeSpan Time, int Mapped)> CycleAsync(Rig rig, int depth, Arrangement arrange)
    {
        BulkInQueue queue = rig.OpenQueue(depth);
        Func<Task> meanwhile = await arrange(rig, queue);
        int mapped = ProcessResources.Now().UsbMappings;
        int submissions = rig.InTimeline.Submissions;
        long start = Stopwatch.GetTimestamp();
        Task dispose = queue.DisposeAsync().AsTask();
        await meanwhile();
        await CaseContext.Within(dispose, "DisposeAsync");
        TimeSpan time = Stopwatch.GetElapsedTime(start);
        RequireNothingOutstanding(rig);
        int later = rig.InTimeline.Submissions - submissions;
        CaseContext.Require(later == 0, $"{later} transfers were posted after DisposeAsync had begun");
        CaseContext.Require(queue.Statistics.Leaked == 0, $"{queue.Statistics.Leaked} transfers were left behind");
        return (time, mapped);
    }

    private static Task<Func<Task>> Nothing(Rig rig, BulkInQueue queue) => Task.FromResult(NothingMore);

    private static Task NothingMore() => Task.CompletedTask;

    private static async Task<Func<Task>> ReceiveSome(Rig rig, BulkInQueue queue)
    {
        byte[] buffer = new byte[Rig.BufferLength];
        for (int count = 0; count < 100; count++)
        {
            CaseContext.Require((await queue.RecvAsync(buffer, CaseContext.Patience)).IsData, "the traffic stopped");
        }

        return NothingMore;
    }

    private static async Task<Func<Task>> LeaveUnread(Rig rig, BulkInQueue queue)
    {
        await CaseContext.Until(() => queue.Statistics.Posted == 0, "the device fills every slot");
        return NothingMore;
    }

    private static Task<Func<Task>> Pending(Rig rig, BulkInQueue queue)
    {
        Task<BulkInResult> pending = queue.RecvAsync(new byte[Rig.BufferLength]).AsTask();
        return Task.FromResult<Func<Task>>(async () =>
        {
            await CaseContext.Within(Task.Run(() => queue.DisposeAsync().AsTask()), "a second DisposeAsync");
            string outcome = await OutcomeAsync(pending);
            CaseContext.Require(outcome == nameof(ObjectDisposedException), $"the pending receive ended in {outcome}");
        });
    }

    private static Task<Func<Task>> Recovering(Rig rig, BulkInQueue queue, SlowClearHalt function)
    {
        function.KeepClearHalt();
        rig.Virtual.Halt(rig.In);
        CaseContext.Require(function.ClearHaltArrived.Wait(CaseContext.Patience), "no CLEAR_FEATURE(HALT) came after the stall");
        CaseContext.Require(queue.State == BulkInState.Recovering, $"the queue is {queue.State} while the halt is being cleared");
        return Task.FromResult<Func<Task>>(() =>
        {
            function.AnswerClearHalt(rig.Virtual);
            return Task.CompletedTask;
        });
    }

    private static async Task<string> OutcomeAsync(Task<BulkInResult> receive)
    {
        try
        {
            await CaseContext.Within(receive, "the pending receive ends");
            return (await receive).Status.ToString();
        }
        catch (ObjectDisposedException)
        {
            return nameof(ObjectDisposedException);
        }
        catch (BulkInException exception)
        {
            return exception.Error.ToString();
        }
    }
}
