using System.Diagnostics;
using BulkIn.UsbMon;

namespace BulkIn.Bench;

/// <summary>DisposeAsync: nothing outstanding afterwards, nothing kept, and the device can be opened again at once.</summary>
internal static class TeardownCases
{
    private const int Depth = 8;

    private const string Flood = """
        in replies
        task
        write replies 4000
        repeat
        """;

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("teardown.idle", "Disposing with every transfer posted and nothing coming.", context => OnGadget(context, "in replies\ntask\nawait\nwrite replies 4000\nrepeat", Depth, Nothing))
        {
            Rows = [new FaultRow(45)],
        },
        new("teardown.idle.depth32", "Disposing of 32 idle posted transfers.", context => OnGadget(context, "in replies\ntask\nawait\nwrite replies 4000\nrepeat", 32, Nothing))
        {
            Rows = [new FaultRow(45)],
        },
        new("teardown.traffic", "Disposing under full traffic.", context => OnGadget(context, Flood, Depth, ReceiveSome)),
        new("teardown.unread", "Disposing with undelivered data in every slot.", context => OnGadget(context, Flood, Depth, LeaveUnread)),
        new("teardown.pending", "Disposing with a receive pending ends it with ObjectDisposedException.", Pending) { Rows = [new FaultRow(59)] },
        new("teardown.recovery", "Disposing while the halt is being cleared: dispose wins, and nothing is posted again.", Recovery) { Rows = [new FaultRow(25)] },
    ];

    private static async Task OnGadget(CaseContext context, string script, int depth, Func<Rig, BulkInQueue, Task> before)
    {
        int cycles = context.Size(20, 5);
        await using Rig rig = await Rig.GadgetAsync(script);
        await CycleAsync(rig, depth, before);
        ProcessResources start = ProcessResources.Now();
        TimeSpan longest = TimeSpan.Zero;
        for (int cycle = 0; cycle < cycles; cycle++)
        {
            TimeSpan time = await CycleAsync(rig, depth, before);
            longest = time > longest ? time : longest;
        }

        ProcessResources end = ProcessResources.Now();
        CaseContext.Figure($"{cycles} times, longest {longest.TotalMilliseconds:0.0} ms; before {start}, after {end}");
        RequireSame(start, end);

        await rig.ReopenAsync();
        await using BulkInQueue again = rig.OpenQueue(depth);
        rig.Gadget.Wake();
        BulkInResult result = await again.RecvAsync(new byte[Rig.BufferLength], CaseContext.Patience);
        CaseContext.Require(result.IsData, "the device opened again at once sends nothing");
    }

    private static async Task<TimeSpan> CycleAsync(Rig rig, int depth, Func<Rig, BulkInQueue, Task> before)
    {
        BulkInQueue queue = rig.OpenQueue(depth);
        await before(rig, queue);
        long start = Stopwatch.GetTimestamp();
        await CaseContext.Within(queue.DisposeAsync().AsTask(), "DisposeAsync");
        TimeSpan time = Stopwatch.GetElapsedTime(start);
        RequireNothingOutstanding(rig);
        CaseContext.Require(queue.Statistics.Leaked == 0, $"{queue.Statistics.Leaked} transfers were left behind");
        return time;
    }

    private static async Task Pending(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync("in silent");
        BulkInQueue queue = rig.OpenQueue(Depth);
        Task<BulkInResult> pending = queue.RecvAsync(new byte[Rig.BufferLength]).AsTask();
        Task first = queue.DisposeAsync().AsTask(), second = Task.Run(() => queue.DisposeAsync().AsTask());
        await CaseContext.Within(Task.WhenAll([first, second]), "two concurrent DisposeAsync");
        string outcome = await OutcomeAsync(pending);
        CaseContext.Figure($"the pending receive: {outcome}");
        CaseContext.Require(outcome == nameof(ObjectDisposedException), $"the pending receive ended in {outcome}");
        RequireNothingOutstanding(rig);
        _ = context;
    }

    private static async Task Recovery(CaseContext context)
    {
        using var function = new SlowClearHalt();
        await using Rig rig = Rig.OnVirtual(context, function);
        BulkInQueue queue = rig.OpenQueue(Depth);
        rig.Virtual.Halt(rig.In);
        CaseContext.Require(function.ClearHaltArrived.Wait(CaseContext.Patience), "no CLEAR_FEATURE(HALT) came after the stall");
        int submissions = rig.InTimeline.Submissions;
        Task dispose = queue.DisposeAsync().AsTask();
        function.AnswerClearHalt(rig.Virtual);
        await CaseContext.Within(dispose, "DisposeAsync during recovery");
        RequireNothingOutstanding(rig);
        int later = rig.InTimeline.Submissions - submissions;
        CaseContext.Figure($"{submissions} submissions before, {later} after DisposeAsync began; outstanding at CLEAR_FEATURE: {string.Join(", ", rig.Observer.Snapshot().OutstandingAtClearHalt(rig.Device.Address, rig.In))}");
        CaseContext.Require(later == 0, $"{later} transfers were posted after DisposeAsync had begun");
    }

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

    private static Task Nothing(Rig rig, BulkInQueue queue) => Task.CompletedTask;

    private static async Task ReceiveSome(Rig rig, BulkInQueue queue)
    {
        byte[] buffer = new byte[Rig.BufferLength];
        for (int count = 0; count < 100; count++)
        {
            CaseContext.Require((await queue.RecvAsync(buffer, CaseContext.Patience)).IsData, "the traffic stopped");
        }
    }

    private static Task LeaveUnread(Rig rig, BulkInQueue queue) => CaseContext.Until(() => queue.Statistics.Posted == 0, "the device fills every slot");

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
