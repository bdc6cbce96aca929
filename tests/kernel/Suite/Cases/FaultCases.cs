using BulkIn.VirtualUsb;

namespace BulkIn.Bench;

/// <summary>Stalls and errors with transfers posted: one fault at its place, recovery with nothing outstanding, and the stream goes on.</summary>
internal static class FaultCases
{
    private const int Depth = 8;

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("stall.posted", "A halt with N posted is one fault; it is cleared with nothing outstanding, N are posted again, the stream continues.", Posted) { Rows = [new FaultRow(20)] },
        new("stall.undelivered", "Recovery posts one slot for each free buffer; what had arrived keeps its buffer until it is delivered.", Undelivered) { Rows = [new FaultRow(20)] },
        new("stall.between", "Data, data, stall, data: in this order, with the fault at its place.", context => Between(context, "fail stall", BulkInError.Stall)) { Rows = [new FaultRow(21)] },
        new("stall.silent", "A stall with transfers still posted behind it: they are cancelled before the halt is cleared.", context => SilentBehind(context, "fail stall", BulkInError.Stall))
        {
            Rows = [new FaultRow(20)],
        },
        new("stall.again", "A device that stalls again after each recovery is given up after the allowed attempts, without spinning.", StallsAgain) { Rows = [new FaultRow(24)] },
        new("stall.uncleared", "A device that refuses to clear its halt leaves the queue faulted and disposable.", Uncleared) { Rows = [new FaultRow(23)] },
        new("error.single", "One bus error among good transfers is one fault at its place.", context => Between(context, "fail error", BulkInError.TransferError)) { Rows = [new FaultRow(26)] },
        new("error.silent", "A bus error with transfers still posted behind it: they are cancelled before the halt is cleared.", context => SilentBehind(context, "fail error", BulkInError.TransferError))
        {
            Rows = [new FaultRow(26)],
        },
        new("error.with-data", "Bytes that came with an error are delivered before it.", WithData) { Rows = [new FaultRow(26)] },
        new("error.storm", "A bus error on every transfer is given up after the allowed attempts, without spinning.", ErrorStorm) { Rows = [new FaultRow(27)] },
        new("error.overflow", "An overflow is one fault, and its bytes are flagged.", context => Between(context, "fail overflow", BulkInError.Overflow)) { Rows = [new FaultRow(12)] },
        new("cancel.with-data", "Transfers that the device completes while they are being cancelled lose no byte.", CancelledWithData) { Rows = [new FaultRow(47)] },
        new("cancel.late", "A controller that answers each cancel late holds up nothing but the teardown.", CancelledLate),
    ];

    private static async Task Posted(CaseContext context)
    {
        const int Before = 5;
        const int After = 100;
        await using Rig rig = await Rig.GadgetAsync($"in replies\ntask\nwrite replies 4000 {Before}\nhalt replies\nawait\nwrite replies 4000 {After}");
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        var reader = new FaultCollector(queue, rig);
        await reader.ReceiveToAFaultAsync();

        await CaseContext.Until(
            () => queue is { State: BulkInState.Running, Statistics.Posted: Depth }, "every slot is posted again", () => SequencedReader.Situation(queue, rig));
        int outstanding = rig.InTimeline.Outstanding;
        rig.Gadget.Wake();
        await reader.ReceiveAsync(Before + After);
        await RequireRecoveredOnceAsync(rig, queue, reader, Before, BulkInError.Stall);
        CaseContext.Require(outstanding == Depth, $"{outstanding} of {Depth} URBs were outstanding after the recovery");
        _ = context;
    }

    private static async Task Undelivered(CaseContext context)
    {
        const int Spares = 2;
        const int Before = 5;
        const int Free = Depth + Spares - Before;
        await using Rig rig = await Rig.GadgetAsync($"in replies\ntask\nwrite replies 4000 {Before}\nhalt replies\nawait\nwrite replies 4000 20");
        await using BulkInQueue queue = rig.OpenQueue(Depth, Spares);
        await CaseContext.Until(
            () => queue is { State: BulkInState.Running, Statistics.Recoveries: 1 }, "the queue recovers without a reader", () => SequencedReader.Situation(queue, rig));
        int outstanding = rig.InTimeline.Outstanding;
        var reader = new FaultCollector(queue, rig);
        await reader.ReceiveToAFaultAsync();

        await CaseContext.Until(() => queue.Statistics.Posted == Depth, "every slot is posted once its data is delivered", () => SequencedReader.Situation(queue, rig));
        CaseContext.Figure($"{outstanding} posted after the recovery with {Before} undelivered, {rig.InTimeline.Outstanding} when delivered");
        rig.Gadget.Wake();
        await reader.ReceiveAsync(Before + 20);
        await RequireRecoveredOnceAsync(rig, queue, reader, Before, BulkInError.Stall);
        CaseContext.Require(outstanding == Free, $"{outstanding} URBs were outstanding after the recovery, with {Free} buffers free");
        _ = context;
    }

    private static async Task Between(CaseContext context, string fault, BulkInError expected)
    {
        const int Before = 20;
        const int Total = 100;
        await using Rig rig = Rig.OnVirtual(context, $"on 0x84\n{string.Concat(Enumerable.Repeat("data 4000\n", Before))}{fault}\n{string.Concat(Enumerable.Repeat("data 4000\n", Total - Before))}");
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        var reader = new FaultCollector(queue, rig);
        await reader.ReceiveAsync(Total);
        await RequireRecoveredOnceAsync(rig, queue, reader, Before, expected);
    }

    private static async Task SilentBehind(CaseContext context, string fault, BulkInError expected)
    {
        const int Before = 20;
        const int Total = 100;
        await using Rig rig = Rig.OnVirtual(context, $"on 0x84\n{string.Concat(Enumerable.Repeat("data 4000\n", Before))}{fault}\nsilence\n{string.Concat(Enumerable.Repeat("data 4000\n", Total - Before))}");
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        var reader = new FaultCollector(queue, rig);
        await reader.ReceiveToAFaultAsync();

        await CaseContext.Until(
            () => queue is { State: BulkInState.Running, Statistics.Posted: Depth }, "every slot is posted again", () => SequencedReader.Situation(queue, rig));
        rig.Function.Wake(rig.In);
        await reader.ReceiveAsync(Total);
        await RequireRecoveredOnceAsync(rig, queue, reader, Before, expected);
    }

    private static async Task WithData(CaseContext context)
    {
        await using Rig rig = Rig.OnVirtual(context, "on 0x84\ndata 4000\nfail error with 1000\ndata 4000\ndata 4000");
        await using BulkInQueue queue = rig.OpenQueue(depth: 4);
        var reader = new FaultCollector(queue, rig);
        await reader.ReceiveAsync(4);
        await RequireRecoveredOnceAsync(rig, queue, reader, after: 2, BulkInError.TransferError);
    }

    private static Task StallsAgain(CaseContext context) => GivenUp(context, "on 0x84\nhalt\nrepeat", BulkInError.Stall);

    private static Task ErrorStorm(CaseContext context) => GivenUp(context, "on 0x84\nfail error\nrepeat", BulkInError.TransferError);

    private static async Task GivenUp(CaseContext context, string script, BulkInError expected)
    {
        const int Attempts = 3;
        await using Rig rig = Rig.OnVirtual(context, script);
        await using BulkInQueue queue = rig.Host.OpenBulkInQueue(rig.In, new BulkInQueueOptions { Depth = Depth, BufferLength = Rig.BufferLength, RecoveryAttempts = Attempts });
        var reader = new FaultCollector(queue, rig);
        BulkInException last = await reader.ReceiveToTheEndAsync();
        int submissions = rig.InTimeline.Submissions;
        double share = await CpuShare.MeasureAsync(TimeSpan.FromSeconds(2));
        int later = rig.InTimeline.Submissions - submissions;
        CaseContext.Figure($"{reader.Describe()}; {submissions} submissions, {later} after giving up; {share:P1} of a processor then");
        CaseContext.Require(last.Error == expected && queue.State == BulkInState.Faulted, $"it ended in {last.Error}, {queue.State}: {last.Message}");
        CaseContext.Require(later == 0, $"{later} transfers were posted after giving up");
        CaseContext.Require(submissions <= Depth * (Attempts + 1), $"{submissions} submissions for {Attempts} attempts at depth {Depth}");
        CaseContext.Require(share < CpuShare.OfIdle, $"a faulted queue uses {share:P1} of a processor");
        RequireClearedWithNothingOutstanding(rig);
    }

    private static async Task Uncleared(CaseContext context)
    {
        await using Rig rig = Rig.OnVirtual(context, new RefusesClearHalt());
        await using BulkInQueue queue = rig.Host.OpenBulkInQueue(
            rig.In, new BulkInQueueOptions { Depth = Depth, BufferLength = Rig.BufferLength, Recovery = BulkInRecovery.Manual });
        var reader = new FaultCollector(queue, rig);
        rig.Virtual.Halt(rig.In);
        BulkInException stall = await reader.ReceiveToTheEndAsync();
        BulkInException refused = await FaultOfAsync(queue.RecoverAsync());
        CaseContext.Figure($"{stall.Error}, then RecoverAsync: {refused.Error} ({refused.NativeCode}): {refused.Message}");
        CaseContext.Require(queue.State == BulkInState.Faulted, $"the state is {queue.State}");
        await CaseContext.Within(queue.DisposeAsync().AsTask(), "DisposeAsync of a faulted queue");
        TeardownCases.RequireNothingOutstanding(rig);
    }

    private static async Task CancelledWithData(CaseContext context)
    {
        const int Sent = 3;
        await using Rig rig = Rig.OnVirtual(context, $"on 0x84\n{string.Concat(Enumerable.Repeat("data 4000\n", Sent))}unlink data 500\nsilence");
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        var reader = new FaultCollector(queue, rig);
        await CaseContext.Until(() => rig.InTimeline.Completions.Count() == Sent, "the first transfers complete");
        int posted = rig.InTimeline.Outstanding;
        await CaseContext.Within(queue.StopAsync(), "StopAsync");
        await reader.ReceiveAsync(Sent + posted);
        CaseContext.Figure($"{Sent} before, {posted} with data while being cancelled: {reader.Describe()}");
        reader.RequireUnbroken();
        CaseContext.Require((await queue.RecvAsync(new byte[Rig.BufferLength], CaseContext.Patience)).Status == BulkInStatus.Stopped, "the stopped queue has more");
    }

    private static async Task CancelledLate(CaseContext context)
    {
        var function = new LateUnlinks();
        await using Rig rig = Rig.OnVirtual(context, function);
        BulkInQueue queue = rig.OpenQueue(Depth);
        Task dispose = queue.DisposeAsync().AsTask();
        // Here DisposeAsync has returned its task, and no cancel can have been answered.
        CaseContext.Require(function.Arrived.Wait(CaseContext.Patience), "no cancel reached the device");
        CaseContext.Require(!dispose.IsCompleted, "DisposeAsync ended with a cancel unanswered");
        CaseContext.Require(rig.InTimeline.Outstanding == Depth, $"{rig.InTimeline.Outstanding} of {Depth} URBs were outstanding with the first cancel unanswered");
        function.AnswerFromNowOn();
        await CaseContext.Within(dispose, "DisposeAsync");
        CaseContext.Figure($"DisposeAsync returned its task and ended only once the {Depth} cancels were answered");
        CaseContext.Require(queue.Statistics.Leaked == 0, $"{queue.Statistics.Leaked} transfers were left behind");
        TeardownCases.RequireNothingOutstanding(rig);
    }

    private static async Task RequireRecoveredOnceAsync(Rig rig, BulkInQueue queue, FaultCollector reader, int after, BulkInError expected)
    {
        // What had arrived behind the fault is received while the recovery still runs.
        await CaseContext.Until(() => queue.Statistics.Recoveries > 0, "the queue recovers", () => SequencedReader.Situation(queue, rig));
        BulkInStatistics statistics = queue.Statistics;
        IReadOnlyList<int> outstanding = rig.Observer.Snapshot().OutstandingAtClearHalt(rig.Device.Address, rig.In);
        CaseContext.Figure($"{reader.Describe()}; outstanding at CLEAR_FEATURE: {string.Join(", ", outstanding)}; {statistics.Recoveries} recovery");
        CaseContext.Require(outstanding.Count == 1, $"CLEAR_FEATURE(HALT) was sent {outstanding.Count} times instead of once");
        RequireClearedWithNothingOutstanding(rig);
        CaseContext.Require(reader.Faults.Count == 1 && reader.Faults[0].Fault.Error == expected, $"one {expected} was to be reported: {reader.Describe()}");
        CaseContext.Require(reader.Faults[0].After == after, $"the fault was reported after {reader.Faults[0].After} transfers instead of {after}");
        CaseContext.Require(reader.Faults[0].Fault.RecoversByItself, "the fault does not say that the queue recovers by itself");
        reader.RequireUnbroken();
        CaseContext.Require(statistics is { Faults: 1, Recoveries: 1 }, $"the library counts {statistics.Faults} faults and {statistics.Recoveries} recoveries");
    }

    private static void RequireClearedWithNothingOutstanding(Rig rig)
    {
        IReadOnlyList<int> outstanding = rig.Observer.Snapshot().OutstandingAtClearHalt(rig.Device.Address, rig.In);
        CaseContext.Require(outstanding.All(count => count == 0), $"URBs were outstanding when CLEAR_FEATURE(HALT) was submitted: {string.Join(", ", outstanding)}");
    }

    public static async Task<BulkInException> FaultOfAsync(Task task)
    {
        try
        {
            await CaseContext.Within(task, "the operation ends");
        }
        catch (BulkInException exception)
        {
            return exception;
        }

        throw new CaseFailedException("the operation succeeded where it had to fail");
    }

    private sealed class RefusesClearHalt : UsbFunction
    {
        public override void Submitted(Urb urb)
        {
        }

        public override bool Control(Urb urb) => urb.Setup.IsClearHalt && urb.Complete(UrbStatus.Stall);
    }

    /// <summary>A silent device that keeps every unlink waiting until it is told to answer.</summary>
    private sealed class LateUnlinks : UsbFunction
    {
        private readonly Lock _gate = new();
        private readonly List<Urb> _kept = [];
        private bool _answers;

        /// <summary>Set once the host has asked for the first URB.</summary>
        public ManualResetEventSlim Arrived { get; } = new();

        public void AnswerFromNowOn()
        {
            lock (_gate)
            {
                _answers = true;
                _kept.ForEach(urb => urb.ConfirmUnlink());
            }
        }

        public override void Submitted(Urb urb)
        {
        }

        public override void Unlinking(Urb urb)
        {
            lock (_gate)
            {
                if (_answers)
                {
                    urb.ConfirmUnlink();
                }
                else
                {
                    _kept.Add(urb);
                }
            }

            Arrived.Set();
        }
    }
}
