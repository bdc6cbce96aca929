namespace BulkIn.Bench;

/// <summary>Unplugging: everything that had arrived first, then one terminal fault, then the same at once for ever; and the next device works.</summary>
internal static class UnplugCases
{
    private const int Depth = 8;
    private const string Flood = "in replies\ntask\nwrite replies 4000\nrepeat";

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("unplug.idle", "Unplugging with idle posted transfers ends in one DeviceGone, again and again with flat resources.", context => Cycles(context, "in silent", Idle))
        {
            Rows = [new FaultRow(30)],
            TimeLimit = TimeSpan.FromSeconds(120),
        },
        new("unplug.rate", "Unplugging at full rate delivers everything that the bus carried, then DeviceGone, again and again with flat resources.", context => Cycles(context, Flood, AtFullRate))
        {
            Rows = [new FaultRow(32)],
            TimeLimit = TimeSpan.FromSeconds(120),
        },
        new("unplug.undelivered", "What completed slots hold when the device goes is delivered before DeviceGone.", Undelivered) { Rows = [new FaultRow(32)] },
        new("unplug.flushed", "A device that goes with its controller's flush (newest first) is gone just the same.", Flushed) { Rows = [new FaultRow(31)] },
        new("unplug.recovery", "Unplugging while the halt is being cleared ends the recovery with DeviceGone.", DuringRecovery) { Rows = [new FaultRow(33)] },
        new("unplug.dispose", "Unplugging while disposing: dispose ends, nothing is left.", DuringDispose) { Rows = [new FaultRow(33)] },
    ];

    private static async Task Cycles(CaseContext context, string script, Func<Rig, Task<string>> cycle)
    {
        int cycles = context.Size(50, 10);
        await using Rig rig = await Rig.GadgetAsync(script);
        string figures = "";
        ProcessResources start = default;
        for (int count = 0; count < cycles + 2; count++)
        {
            figures = await cycle(rig);
            await ReplugAsync(rig);
            if (count == 1)
            {
                // Pools and code are warm after two.
                start = Settled();
            }
        }

        ProcessResources end = Settled();
        CaseContext.Figure($"{cycles} cycles; the last: {figures}");
        CaseContext.Figure($"before {start} {start.ResidentKilobytes} kB, after {end} {end.ResidentKilobytes} kB");
        TeardownCases.RequireSame(start, end);
        const long Slack = 4096;
        CaseContext.Require(end.ResidentKilobytes <= start.ResidentKilobytes + Slack, $"memory grew from {start.ResidentKilobytes} to {end.ResidentKilobytes} kB");
    }

    private static async Task<string> Idle(Rig rig)
    {
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        var reader = new FaultCollector(queue);
        rig.Gadget.Device.Unbind();
        await RequireGoneAsync(queue, reader);
        CaseContext.Require(reader.Numbers.Count == 0, $"{reader.Numbers.Count} transfers came from a silent device");
        return reader.Describe();
    }

    private static async Task<string> AtFullRate(Rig rig)
    {
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        var reader = new FaultCollector(queue);
        const int Before = 50;
        while (reader.Numbers.Count < Before)
        {
            CaseContext.Require(await reader.ReceiveOneAsync(), $"a fault before unplugging: {reader.Describe()}");
        }

        Task unplug = Task.Run(rig.Gadget.Device.Unbind);
        await RequireGoneAsync(queue, reader);
        await unplug;
        int carried = rig.InTimeline.Completions.Count(completion => completion is { Status: 0 });
        string numbers = reader.Numbers.Zip(reader.Numbers.Skip(1)).All(pair => pair.Second == pair.First + 1) ? "unbroken" : "broken";
        CaseContext.Require(numbers == "unbroken", "the transfers' numbers are not consecutive");
        CaseContext.Require(carried == reader.Numbers.Count, $"the bus carried {carried} transfers, {reader.Numbers.Count} were delivered");
        return $"{carried} carried, {reader.Describe()}";
    }

    private static async Task Undelivered(CaseContext context)
    {
        const int Sent = 3;
        await using Rig rig = await Rig.GadgetAsync($"in replies\ntask\nwrite replies 4000 {Sent}\nawait");
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        var reader = new FaultCollector(queue);
        await CaseContext.Until(() => rig.InTimeline.Completions.Count() == Sent, $"{Sent} transfers complete");
        rig.Gadget.Device.Unbind();
        await CaseContext.Until(() => queue.State == BulkInState.Gone, "the queue notices on its own");
        await RequireGoneAsync(queue, reader);
        CaseContext.Figure(reader.Describe());
        CaseContext.Require(reader.Numbers.Count == Sent, $"{reader.Numbers.Count} of {Sent} transfers were delivered before the fault");
        reader.RequireUnbroken();
        _ = context;
    }

    private static async Task Flushed(CaseContext context)
    {
        await using Rig rig = Rig.OnVirtual(context, "on 0x84\ndata 4000\ndata 4000\ndata 4000\nsilence");
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        var reader = new FaultCollector(queue);
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
        var reader = new FaultCollector(queue);
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

    // Present and future waits: the fault comes once more for each, at once.
    private static async Task RequireGoneAsync(BulkInQueue queue, FaultCollector reader)
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

    private static async Task ReplugAsync(Rig rig)
    {
        await rig.Host.DisposeAsync();
        rig.Gadget.Device.Bind();
        CaseContext.Require(rig.Gadget.Device.WaitUntilEnabled(CaseContext.Patience), "the host did not configure the device again");
        await rig.FollowReplugAsync();
    }

    private static ProcessResources Settled()
    {
        // Aggressive gives unused memory back to the system, so that what is left is what is held.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        GC.WaitForPendingFinalizers();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        return ProcessResources.Now();
    }
}
