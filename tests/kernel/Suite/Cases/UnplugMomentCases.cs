namespace BulkIn.Bench;

/// <summary>Unplugging at the moments that are hard to meet: inside the opening, by the system's own hand, and while nothing is posted.</summary>
internal static class UnplugMomentCases
{
    private const int Depth = 8;

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("unplug.removed", "A device that the system removes (sysfs) is gone, too.", Removed) { Rows = [new FaultRow(31)] },
        new("unplug.opening", "Unplugging between two submits of the opening ends it, or the first receive, with DeviceGone.", Opening) { Rows = [new FaultRow(33)] },
        new("unplug.paused", "Unplugged while paused, the queue is gone at the resume; what had arrived is delivered.", Paused) { Rows = [new FaultRow(76)] },
        new("unplug.faulted", "Unplugged while faulted, the queue is gone at the recovery.", Faulted) { Rows = [new FaultRow(76)] },
        new("unplug.stopped", "Unplugged while stopped, nothing changes.", Stopped) { Rows = [new FaultRow(76)] },
    ];

    private static async Task Removed(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync("in silent");
        await using (BulkInQueue queue = rig.OpenQueue(Depth))
        {
            var reader = new FaultCollector(queue);
            await File.WriteAllTextAsync($"{rig.Device.Directory}/remove", "1");
            await UnplugCases.RequireGoneAsync(queue, reader);
            CaseContext.Figure($"{reader.Describe()}; statuses on the bus: {string.Join(" ", rig.InTimeline.Completions.Select(completion => completion.Status))}");
        }

        TeardownCases.RequireNothingOutstanding(rig);
        _ = context;
    }

    private static async Task Opening(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync("in silent");
        foreach (int slot in new[] { 0, 3, Depth - 1 })
        {
            Shim.Gate(ShimPoint.Submit, skip: slot);
            Task<BulkInQueue> opening = Task.Run(() => rig.OpenQueue(Depth));
            Shim.WaitForGate();
            rig.Gadget.Device.Unbind();
            Shim.OpenGate();
            string outcome;
            try
            {
                await using BulkInQueue queue = await opening;
                await UnplugCases.RequireGoneAsync(queue, new FaultCollector(queue));
                outcome = "opened, then gone";
            }
            catch (BulkInException refused)
            {
                outcome = refused.Error.ToString();
                CaseContext.Require(refused.Error == BulkInError.DeviceGone, $"with {slot} of {Depth} submitted, unplugging ended the opening in {refused.Error}: {refused.Message}");
            }

            CaseContext.Figure($"{slot} submitted: {outcome}");
            TeardownCases.RequireNothingOutstanding(rig);
            await UnplugCases.ReplugAsync(rig);
        }

        _ = context;
    }

    private static async Task Paused(CaseContext context)
    {
        await using Rig rig = Rig.OnVirtual(context, "on 0x84\ndata 4000\nsilence");
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        await CaseContext.Until(() => rig.InTimeline.Completions.Any(), "a transfer completes");
        await CaseContext.Within(queue.PauseAsync(), "PauseAsync");
        rig.Virtual.Dispose();
        var reader = new FaultCollector(queue);
        await reader.ReceiveAsync(1);
        BulkInException refused = await FaultCases.FaultOfAsync(queue.ResumeAsync());
        CaseContext.Figure($"ResumeAsync: {refused.Error}");
        CaseContext.Require(refused.Error == BulkInError.DeviceGone, $"ResumeAsync ended in {refused.Error}: {refused.Message}");
        await UnplugCases.RequireGoneAsync(queue, reader);
    }

    private static async Task Faulted(CaseContext context)
    {
        await using Rig rig = Rig.OnVirtual(context, "on 0x84\nhalt\nsilence");
        await using BulkInQueue queue = rig.Host.OpenBulkInQueue(
            rig.In, new BulkInQueueOptions { Depth = Depth, BufferLength = Rig.BufferLength, Recovery = BulkInRecovery.Manual });
        var reader = new FaultCollector(queue);
        BulkInException stall = await reader.ReceiveToTheEndAsync();
        rig.Virtual.Dispose();
        BulkInException refused = await FaultCases.FaultOfAsync(queue.RecoverAsync());
        CaseContext.Figure($"{stall.Error}, then RecoverAsync: {refused.Error}");
        CaseContext.Require(stall.Error == BulkInError.Stall && refused.Error == BulkInError.DeviceGone, $"{stall.Error}, then {refused.Error}: {refused.Message}");
        reader.Faults.Clear();
        await UnplugCases.RequireGoneAsync(queue, reader);
    }

    private static async Task Stopped(CaseContext context)
    {
        await using Rig rig = Rig.OnVirtual(context, "on 0x84\nsilence");
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        await CaseContext.Within(queue.StopAsync(), "StopAsync");
        rig.Virtual.Dispose();
        BulkInStatus status = (await queue.RecvAsync(new byte[Rig.BufferLength], CaseContext.Patience)).Status;
        CaseContext.Figure($"{status}, {queue.State}");
        CaseContext.Require(status == BulkInStatus.Stopped && queue.State == BulkInState.Stopped, $"the stopped queue says {status}, {queue.State}");
    }
}
