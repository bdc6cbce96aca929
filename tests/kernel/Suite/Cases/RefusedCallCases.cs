namespace BulkIn.Bench;

/// <summary>Calls of libusb that fail, one at a time, at the moment that hurts: what was received stays, what was taken is given back, and the next call works.</summary>
internal static class RefusedCallCases
{
    private const int Depth = 8;

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("refused.alloc", "A transfer that cannot be allocated fails the opening, which gives back everything; the next one works.", Alloc) { Rows = [new FaultRow(14, FaultLevels.Shim)] },
        new("refused.first-submits", "A submit refused for want of memory while opening drains the ones before it, and says what to do.", FirstSubmits) { Rows = [new FaultRow(15, FaultLevels.Shim)] },
        new("refused.submit", "A submit refused after good data costs no data and leaves nobody waiting for the slot.", Submit) { Rows = [new FaultRow(17, FaultLevels.Shim)] },
        new("refused.clear-halt", "A halt that cannot be cleared leaves the queue faulted, and the next attempt recovers it.", ClearHalt) { Rows = [new FaultRow(23, FaultLevels.Shim)] },
        new("refused.cancel", "A cancel that answers an error is no completion: the teardown waits for each.", Cancel) { Rows = [new FaultRow(48, FaultLevels.Shim)] },
        new("refused.device-memory", "Device memory that is refused half way falls back on pinned memory, and keeps no mapping.", DeviceMemory) { Rows = [new FaultRow(62, FaultLevels.Shim)] },
    ];

    private static async Task Alloc(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync("in replies\ntask\nawait\nwrite replies 4000");
        ProcessResources start = default;
        foreach (int slot in new[] { 0, 3, Depth - 1 })
        {
            Shim.Answer(ShimPoint.AllocTransfer, skip: slot);
            string outcome = "allowed";
            try
            {
                _ = rig.OpenQueue(Depth);
            }
            catch (OutOfMemoryException exception)
            {
                outcome = exception.GetType().Name;
            }

            CaseContext.Figure($"slot {slot}: {outcome}");
            CaseContext.Require(outcome == nameof(InsufficientMemoryException), $"without a transfer for slot {slot} the opening was {outcome}");
            TeardownCases.RequireNothingOutstanding(rig);

            // What the first one opens once and for all is no leak.
            start = slot == 0 ? ProcessResources.Now() : start;
            TeardownCases.RequireSame(start, ProcessResources.Now());
        }

        rig.Gadget.Wake();
        await RequireDataAsync(rig);
        _ = context;
    }

    private static async Task FirstSubmits(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync("in replies\ntask\nawait\nwrite replies 4000");
        foreach (int slot in new[] { 0, 5 })
        {
            Shim.Answer(ShimPoint.Submit, LibUsbCodes.NoMemory, skip: slot, count: Shim.ForEver);
            BulkInException refused = MessageCases.Refused(() => rig.OpenQueue(Depth));
            Shim.ForgetOrders();
            CaseContext.Figure($"slot {slot}: {refused.Error}: {refused.Message}");
            CaseContext.Require(refused is { Error: BulkInError.OutOfMemory, NativeCode: LibUsbCodes.NoMemory }, $"the error is {refused.Error} ({refused.NativeCode})");
            CaseContext.Require(refused.Message.Contains("usbfs_memory_mb", StringComparison.Ordinal), "the message does not name the limit");
            TeardownCases.RequireNothingOutstanding(rig);
        }

        rig.Gadget.Wake();
        await RequireDataAsync(rig);
        _ = context;
    }

    private static async Task Submit(CaseContext context)
    {
        const int Skip = 20;
        const int Total = 200;
        await using Rig rig = Rig.OnVirtual(context, $"on 0x84\ndata 4000\nrepeat {Total}");
        Shim.Answer(ShimPoint.Submit, LibUsbCodes.Io, skip: Depth + Skip);
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        var reader = new FaultCollector(queue);
        await reader.ReceiveAsync(Total);
        await CaseContext.Until(() => queue.Statistics.Recoveries == 1, "the queue recovers");
        CaseContext.Figure(reader.Describe());
        CaseContext.Require(reader.Faults is [(_, { Error: BulkInError.SubmitFailed, NativeCode: LibUsbCodes.Io, RecoversByItself: true })], $"one SubmitFailed was to be reported: {reader.Describe()}");
        CaseContext.Require(reader.Faults[0].After > Skip, $"the fault came after {reader.Faults[0].After} transfers, before what had been posted when it happened");
        reader.RequireUnbroken();
    }

    private static async Task ClearHalt(CaseContext context)
    {
        const int Before = 3;
        const int After = 5;
        int[] codes = [LibUsbCodes.Other, LibUsbCodes.Pipe, LibUsbCodes.Timeout];
        await using Rig rig = Rig.OnVirtual(context, $"on 0x84\n{string.Concat(Enumerable.Repeat("data 4000\n", Before))}halt\n{string.Concat(Enumerable.Repeat("data 4000\n", After))}");
        await using BulkInQueue queue = rig.Host.OpenBulkInQueue(
            rig.In, new BulkInQueueOptions { Depth = Depth, BufferLength = Rig.BufferLength, Recovery = BulkInRecovery.Manual });
        var reader = new FaultCollector(queue);
        BulkInException stall = await reader.ReceiveToTheEndAsync();
        CaseContext.Require(stall.Error == BulkInError.Stall && reader.Numbers.Count == Before, $"a stall after {Before} transfers was to be reported: {reader.Describe()}");
        foreach (int code in codes)
        {
            Shim.Answer(ShimPoint.ClearHalt, code);
            BulkInException refused = await FaultCases.FaultOfAsync(queue.RecoverAsync());
            CaseContext.Figure($"{refused.Error} ({refused.NativeCode})");
            CaseContext.Require(refused.NativeCode == code && queue.State == BulkInState.Faulted, $"clear_halt answered {code}: {refused.NativeCode}, {queue.State}");
        }

        await CaseContext.Within(queue.RecoverAsync(), "RecoverAsync when the halt can be cleared");
        await reader.ReceiveAsync(Before + After);
        reader.RequireUnbroken();
    }

    private static async Task Cancel(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync("in silent");
        foreach (int code in new[] { LibUsbCodes.NoDevice, LibUsbCodes.Other, LibUsbCodes.NotFound })
        {
            BulkInQueue queue = rig.OpenQueue(Depth);
            Shim.AnswerAfter(ShimPoint.Cancel, code, count: Depth);
            Shim.Hold(count: Depth);
            Task dispose = queue.DisposeAsync().AsTask();
            await CaseContext.Until(() => Shim.Untold() == Depth, "every completion is held back");
            CaseContext.Require(!dispose.IsCompleted, $"DisposeAsync did not wait for {Depth} completions when the cancels answered {code}");
            _ = Shim.Release();
            await CaseContext.Within(dispose, "DisposeAsync once the completions are told");
            CaseContext.Require(queue.Statistics.Leaked == 0, $"{queue.Statistics.Leaked} transfers were left behind");
            TeardownCases.RequireNothingOutstanding(rig);
        }

        CaseContext.Figure("waited each time");
        _ = context;
    }

    private static async Task DeviceMemory(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync("in replies\ntask\nawait\nwrite replies 4000");
        var options = new BulkInQueueOptions { Depth = Depth, BufferLength = Rig.BufferLength, Memory = BulkInMemory.Device };
        foreach (int granted in new[] { 0, 5 })
        {
            Shim.Answer(ShimPoint.MemoryAlloc, skip: granted);
            await using BulkInQueue queue = rig.Host.OpenBulkInQueue(rig.In, options);
            int mapped = ProcessResources.Now().UsbMappings;
            CaseContext.Figure($"{granted} granted: {mapped} mappings kept");
            CaseContext.Require(mapped == 0 && !queue.Capabilities.HasFlag(Backends.BulkInCapabilities.DeviceMemory), $"{mapped} mappings are kept after the refusal");
            CaseContext.Require(rig.InTimeline.Outstanding == Depth, $"{rig.InTimeline.Outstanding} of {Depth} are posted");
        }

        rig.Gadget.Wake();
        await RequireDataAsync(rig);
        _ = context;
    }

    private static async Task RequireDataAsync(Rig rig)
    {
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        CaseContext.Require((await queue.RecvAsync(new byte[Rig.BufferLength], CaseContext.Patience)).IsData, "the queue opened afterwards gets nothing");
    }
}
