namespace BulkIn.Bench;

/// <summary>Unplugging: everything that had arrived first, then one terminal fault, then the same at once for ever; and the next device works.</summary>
internal static class UnplugCases
{
    private const int Depth = 8;
    private const int BurstLength = 3;
    private const string Burst = "in replies\ntask\nawait\nwrite replies 4000 3\nrepeat";
    private const string Flood = "in replies\ntask\nwrite replies 4000\nrepeat";

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("unplug.idle", "Unplugging with idle posted transfers ends in one DeviceGone, again and again with flat resources.", context => Cycles(context, "in silent", Idle))
        {
            Rows = [new FaultRow(30)],
        },
        new("unplug.rate", "Unplugging at full rate delivers everything that the bus carried, then DeviceGone, again and again with flat resources.", context => Cycles(context, Flood, AtFullRate))
        {
            Rows = [new FaultRow(32)],
        },
        new("unplug.undelivered", "What completed slots hold when the device goes is delivered before DeviceGone, again and again with flat resources.", context => Cycles(context, Burst, Undelivered))
        {
            Rows = [new FaultRow(32)],
        },
        new("unplug.flushed", "A device that goes with its controller's flush (newest first) is gone just the same.", Flushed) { Rows = [new FaultRow(31)] },
        new("unplug.recovery", "Unplugging while the halt is being cleared ends the recovery with DeviceGone.", DuringRecovery) { Rows = [new FaultRow(33)] },
        new("unplug.dispose", "Unplugging while disposing: dispose ends, nothing is left.", DuringDispose) { Rows = [new FaultRow(33)] },
    ];

    private static async Task Cycles(CaseContext context, string script, Func<Rig, Task<string>> cycle)
    {
        int cycles = context.Size(200, 10);
        await using Rig rig = await Rig.GadgetAsync(script);
        string figures = "";
        ProcessResources? start = null;
        var memory = new MemoryTrend();
        for (int count = 0; count < cycles + 2; count++)
        {
            figures = await cycle(rig);
            await ReplugAsync(rig);
            if (count > 0)
            {
                // Pools and code are warm after two.
                ProcessResources now = memory.Look();
                start ??= now;
                TeardownCases.RequireSame(start.Value, now);
            }
        }

        CaseContext.Figure($"{cycles} cycles; the last: {figures}");
        CaseContext.Figure($"{start} after each; {memory.RequireFlat()}");
    }

    private static async Task<string> Idle(Rig rig)
    {
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        var reader = new FaultCollector(queue, rig);
        rig.Gadget.Device.Unbind();
        await RequireGoneAsync(queue, reader);
        CaseContext.Require(reader.Numbers.Count == 0, $"{reader.Numbers.Count} transfers came from a silent device");
        return reader.Describe();
    }

    private static async Task<string> AtFullRate(Rig rig)
    {
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        var reader = new FaultCollector(queue, rig);
        const int Before = 50;
        while (reader.Numbers.Count < Before)
        {
            CaseContext.Require(await reader.ReceiveOneAsync(), $"a fault before unplugging: {reader.Describe()}");
        }

        Task unplug = Task.Run(rig.Gadget.Device.Unbind);
        await RequireGoneAsync(queue, reader);
        await unplug;
        // The one that the unplug cut short may have brought bytes, too.
        int carried = rig.InTimeline.Completions.Count(completion => completion is { Status: 0 } or { Length: > 0 });
        RequireConsecutive(reader);
        CaseContext.Require(carried == reader.Numbers.Count, $"the bus carried {carried} transfers, {reader.Numbers.Count} were delivered");
        return $"{carried} carried, {reader.Describe()}";
    }

    private static async Task<string> Undelivered(Rig rig)
    {
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        var reader = new FaultCollector(queue, rig);
        rig.Gadget.Wake();
        await CaseContext.Until(() => rig.InTimeline.Completions.Count() == BurstLength, $"{BurstLength} transfers complete");
        rig.Gadget.Device.Unbind();
        await CaseContext.Until(() => queue.State == BulkInState.Gone, "the queue notices on its own");
        await RequireGoneAsync(queue, reader);
        CaseContext.Require(reader.Numbers.Count == BurstLength, $"{reader.Numbers.Count} of {BurstLength} transfers were delivered before the fault");
        RequireConsecutive(reader);
        return reader.Describe();
    }

    private static async Task Flushed(CaseContext context)
    {
        await using Rig rig = Rig.OnVirtual(context, "on 0x84\ndata 4000\ndata 4000\ndata 4000\nsilence");
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        var reader = new FaultCollector(queue, rig);
        await CaseContext.Until(() => rig.InTimeline.Completions.Count() == 3, "three transfers complete");
        rig.Virtual.Dispose();
        await RequireGoneAsync(queue, reader);
        CaseContext.Figure($"{reader.Describe()}; statuses on the bus: {string.Join(" ", rig.InTimeline.Completions.Skip(3).GroupBy(completion => completion.Status).Select(group => $"{group.Count()} x {group.Key}"))}");
        CaseContext.Require(reader.Numbers.Count == 3, $"{reader.Numbers.Count} of 3 transfers were delivered before the fault");
        reader.RequireUnbroken();
    }

    private static async Task DuringRecovery(CaseContext context)
    {
        using var function = new SlowClearHalt();
        await using Rig rig = Rig.OnVirtual(context, function);
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        var reader = new FaultCollector(queue, rig);
        rig.Virtual.Halt(rig.In);
        CaseContext.Require(function.ClearHaltArrived.Wait(CaseContext.Patience), "no CLEAR_FEATURE(HALT) came after the stall");
        rig.Virtual.Dispose();
        // The stall did happen, and is told first.
        CaseContext.Require(!await reader.ReceiveOneAsync() && reader.Faults[0].Fault.Error == BulkInError.Stall, $"the stall was to be told first: {reader.Describe()}");
        reader.Faults.Clear();
        await RequireGoneAsync(queue, reader);
        CaseContext.Figure($"Stall, then {reader.Describe()}");
    }

    private static async Task DuringDispose(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync(Flood);
        int cycles = context.Size(50, 10);
        for (int cycle = 0; cycle < cycles; cycle++)
        {
            BulkInQueue queue = rig.OpenQueue(Depth);
            CaseContext.Require((await queue.RecvAsync(new byte[Rig.BufferLength], CaseContext.Patience)).IsData, "the device is silent");
            Task unplug = Task.Run(rig.Gadget.Device.Unbind);
            await CaseContext.Within(queue.DisposeAsync().AsTask(), "DisposeAsync while unplugging");
            await unplug;
            CaseContext.Require(queue.Statistics.Leaked == 0, $"{queue.Statistics.Leaked} transfers were left behind");
            TeardownCases.RequireNothingOutstanding(rig);
            await ReplugAsync(rig);
        }

        CaseContext.Figure($"{cycles} times");
    }

    // The device counts on from one replug to the next.
    private static void RequireConsecutive(FaultCollector reader)
    {
        for (int index = 1; index < reader.Numbers.Count; index++)
        {
            CaseContext.Require(reader.Numbers[index] == reader.Numbers[index - 1] + 1, $"transfer {reader.Numbers[index]} came after transfer {reader.Numbers[index - 1]}");
        }
    }

    // Present and future waits: the fault comes once more for each, at once.
    public static async Task RequireGoneAsync(BulkInQueue queue, FaultCollector reader)
    {
        BulkInException fault = await reader.ReceiveToTheEndAsync();
        CaseContext.Require(fault.Error == BulkInError.DeviceGone, $"unplugging ended in {reader.Describe()}: {fault.Message}");
        CaseContext.Require(reader.Faults.Count == 1, $"unplugging was to be one fault: {reader.Describe()}");
        CaseContext.Require(queue.State == BulkInState.Gone, $"the state is {queue.State}");
        long start = Environment.TickCount64;
        CaseContext.Require(!await reader.ReceiveOneAsync() && reader.Faults[^1].Fault.Error == BulkInError.DeviceGone, "a later receive does not say that the device is gone");
        CaseContext.Require(Environment.TickCount64 - start < CaseContext.Patience.TotalMilliseconds / 2, "a later receive waited");
        reader.Faults.RemoveAt(reader.Faults.Count - 1);
    }

    public static async Task ReplugAsync(Rig rig)
    {
        await rig.Host.DisposeAsync();
        rig.Observer.Forget();
        rig.Gadget.Device.Bind();
        CaseContext.Require(rig.Gadget.Device.WaitUntilEnabled(CaseContext.Patience), "the host did not configure the device again");
        await rig.FollowReplugAsync();
    }
}
