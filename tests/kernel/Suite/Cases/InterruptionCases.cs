namespace BulkIn.Bench;

/// <summary>What happens to posted transfers when something outside the queue takes the endpoint away while the device stays: one fault, no unplug, no blind repost.</summary>
internal static class InterruptionCases
{
    private const int Depth = 8;
    private const string Endless = "in replies\ntask\nwrite replies 4000\nrepeat";
    private const string Silent = "in replies\ntask\nawait\nwrite replies 4000\nrepeat";

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("interrupted.deauthorized", "A deauthorized device is an interruption, not an unplug; authorized and opened again it works.", context => Deauthorized(context, Silent, BulkInError.Interrupted))
        {
            Rows = [new FaultRow(39)],
        },
        new("interrupted.deauthorized.traffic", "Under traffic a refused submit may come first; it is no unplug either.", context => Deauthorized(context, Endless, BulkInError.Interrupted, BulkInError.SubmitFailed))
        {
            Rows = [new FaultRow(39)],
        },
        new("interrupted.unbound", "An interface taken from usbfs is an interruption, and the queue does not take it back on its own.", Unbound) { Rows = [new FaultRow(40)] },
        new("interrupted.foreign-reset", "A reset by another program is an interruption; the device opened again works.", ForeignReset) { Rows = [new FaultRow(40)] },
        new("interrupted.own-reset", "A reset of the own handle with transfers posted is an interruption; recovered on request, the stream continues.", OwnReset)
        {
            Rows = [new FaultRow(41)],
            Breaks = [ContractRule.ResetPosted],
        },
        new("interrupted.paused-reset", "A reset between PauseAsync and ResumeAsync is no fault at all.", PausedReset) { Rows = [new FaultRow(41)] },
        new("interrupted.paused-failure", "A transfer that fails while a pause cancels it is a cancelled one to Linux: its bytes are received, and nobody is told of a fault.", PausedFailure)
        {
            Rows = [new FaultRow(92)],
        },
        new("interrupted.released", "Releasing the interface under the queue is an interruption, and the queue does not claim it again.", Released)
        {
            Rows = [new FaultRow(43)],
            Breaks = [ContractRule.ChangePosted],
        },
    ];

    private static async Task Deauthorized(CaseContext context, string script, params BulkInError[] expected)
    {
        await using Rig rig = await Rig.GadgetAsync(script);
        string authorized = $"{rig.Device.Directory}/authorized";
        await using (BulkInQueue queue = rig.OpenQueue(Depth))
        {
            await File.WriteAllTextAsync(authorized, "0");
            await RequireFaultAsync(rig, queue, expected);
        }

        await rig.Host.DisposeAsync();
        await File.WriteAllTextAsync(authorized, "1");
        await rig.FollowReplugAsync();
        await using BulkInQueue again = rig.OpenQueue(Depth);
        rig.Gadget.Wake();
        await RequireDataAsync(again);
        _ = context;
    }

    private static async Task Unbound(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync(Silent);
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        string name = $"{Path.GetFileName(rig.Device.Directory)}:1.0";
        await File.WriteAllTextAsync("/sys/bus/usb/drivers/usbfs/unbind", name);
        await RequireInterruptedAsync(rig, queue);
        CaseContext.Require(!Directory.Exists($"/sys/bus/usb/drivers/usbfs/{name}"), "the interface was claimed again behind the user's back");
        _ = context;
    }

    private static async Task ForeignReset(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync(Silent);
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        await using (LibUsbDevice other = LibUsbDevice.Open(Path.GetFileName(rig.Device.Directory)))
        {
            await other.ResetAsync();
        }

        await RequireInterruptedAsync(rig, queue);
        await queue.DisposeAsync();
        // libusb believes that its claim still holds, so only a new handle restores it.
        await rig.ReopenAsync();
        await using BulkInQueue again = rig.OpenQueue(Depth);
        rig.Gadget.Wake();
        await RequireDataAsync(again);
        _ = context;
    }

    private static async Task OwnReset(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync(Silent);
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        await CaseContext.Within(rig.Host.ResetAsync(), "ResetAsync");
        await RequireInterruptedAsync(rig, queue);
        await CaseContext.Within(queue.RecoverAsync(), "RecoverAsync");
        rig.Gadget.Wake();
        await RequireDataAsync(queue);
        _ = context;
    }

    private static async Task PausedReset(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync(Silent);
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        await CaseContext.Within(queue.PauseAsync(), "PauseAsync");
        CaseContext.Require(rig.InTimeline.Outstanding == 0, $"{rig.InTimeline.Outstanding} URBs are outstanding while paused");
        await CaseContext.Within(rig.Host.ResetAsync(), "ResetAsync");
        await CaseContext.Within(queue.ResumeAsync(), "ResumeAsync");
        CaseContext.Require(rig.InTimeline.Outstanding == Depth, $"{rig.InTimeline.Outstanding} of {Depth} URBs are outstanding after ResumeAsync");
        rig.Gadget.Wake();
        await RequireDataAsync(queue);
        CaseContext.Require(queue.Statistics.Faults == 0, $"{queue.Statistics.Faults} faults were counted");
        CaseContext.Figure("no fault");
        _ = context;
    }

    private static async Task PausedFailure(CaseContext context)
    {
        var function = new FailingUnlink();
        await using Rig rig = Rig.OnVirtual(context, function);
        await using BulkInQueue queue = rig.OpenQueue(Depth);

        await CaseContext.Within(queue.PauseAsync(), "PauseAsync");

        CaseContext.Require(function.HasFailed, "the device was asked for no transfer back");
        byte[] buffer = new byte[Rig.BufferLength];
        bool received = queue.TryRecv(buffer, out BulkInResult result);
        CaseContext.Require(
            received && buffer.AsSpan(0, result.Length).SequenceEqual(FailingUnlink.Bytes) && !queue.TryRecv(buffer, out _), $"after the pause there is {result.Status} with {result.Length} bytes");
        CaseContext.Require(queue.Statistics.Faults == 0, $"{queue.Statistics.Faults} faults were counted: this kernel keeps the status of a URB that was unlinked");
        await CaseContext.Within(queue.ResumeAsync(), "ResumeAsync");
        CaseContext.Require(queue.State == BulkInState.Running, $"the queue is {queue.State} after the resume");
    }

    private static async Task Released(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync(Silent);
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        rig.Host.ReleaseInterface(0);
        await RequireInterruptedAsync(rig, queue);
        CaseContext.Require(!Directory.Exists($"/sys/bus/usb/drivers/usbfs/{Path.GetFileName(rig.Device.Directory)}:1.0"), "the interface was claimed again behind the user's back");
        _ = context;
    }

    private static Task RequireInterruptedAsync(Rig rig, BulkInQueue queue) => RequireFaultAsync(rig, queue, BulkInError.Interrupted);

    private static async Task RequireFaultAsync(Rig rig, BulkInQueue queue, params BulkInError[] expected)
    {
        var reader = new FaultCollector(queue, rig);
        BulkInException fault = await reader.ReceiveToTheEndAsync();
        int submissions = rig.InTimeline.Submissions;
        double share = await CpuShare.MeasureAsync(TimeSpan.FromSeconds(1));
        CaseContext.Figure($"{reader.Describe()} ({fault.NativeCode}), {rig.InTimeline.Submissions - submissions} submissions afterwards, {share:P1} of a processor");
        CaseContext.Require(expected.Contains(fault.Error), $"the fault is {fault.Error}: {fault.Message}");
        CaseContext.Require(expected.Length > 1 || reader.Faults.Count == 1, $"it was to be one fault: {reader.Describe()}");
        CaseContext.Require(queue.State == BulkInState.Faulted, $"the state is {queue.State}");
        CaseContext.Require(rig.InTimeline.Submissions == submissions, "transfers were posted without being asked to");
        CaseContext.Require(share < CpuShare.OfIdle, $"a faulted queue uses {share:P1} of a processor");
    }

    private static async Task RequireDataAsync(BulkInQueue queue)
    {
        BulkInResult result = await queue.RecvAsync(new byte[Rig.BufferLength], CaseContext.Patience);
        CaseContext.Require(result.IsData, $"nothing arrives afterwards; the state is {queue.State}");
    }
}
