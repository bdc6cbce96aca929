using System.Diagnostics;

namespace BulkIn.Bench;

/// <summary>Who may hold what for how long: leases, buffers, memory, threads, a second reader, a second device.</summary>
internal static class OwnershipCases
{
    private const string Endless = "in replies\ntask\nwrite replies 4000\nrepeat";
    private const string UsbfsLimit = "/sys/module/usbcore/parameters/usbfs_memory_mb";

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("lease.any-order", "Leases returned in the order 2, 0, 1 leave the stream unbroken.", context => AnyOrder(context, spares: 2)) { Rows = [new FaultRow(9)] },
        new("lease.no-spares", "The same without spare buffers, where a slot is posted again when its lease returns.", context => AnyOrder(context, spares: 0)) { Rows = [new FaultRow(9)] },
        new("reader.second", "A second concurrent receive is refused at once, and the first is unharmed.", SecondReader) { Rows = [new FaultRow(7)] },
        new("reader.continuation", "A continuation may block on other transfers and dispose of the queue: it never runs where events are handled.", Continuation) { Rows = [new FaultRow(56)] },
        new("memory.refused-repost", "Posting again without memory leaves a slot idle for a while, loses nothing, and is no fault while another is posted.", RefusedRepost) { Rows = [new FaultRow(16)] },
        new("memory.device", "Device memory is unmapped before the handle closes, also after an unplug: the device can be opened again at once.", DeviceMemory) { Rows = [new FaultRow(62)] },
        new("devices.two", "A device that keeps CLEAR_FEATURE waiting does not hold up another one.", TwoDevices) { Rows = [new FaultRow(58)] },
    ];

    private static async Task AnyOrder(CaseContext context, int spares)
    {
        int rounds = context.Size(1000, 100);
        await using Rig rig = await Rig.GadgetAsync(Endless);
        await using BulkInQueue queue = rig.OpenQueue(depth: 4, spares);
        var leases = new BulkInLease[3];
        for (int sequence = 0; sequence < rounds * leases.Length; sequence += leases.Length)
        {
            for (int index = 0; index < leases.Length; index++)
            {
                leases[index] = await queue.LeaseAsync(CaseContext.Patience);
                CaseContext.Require(leases[index].IsData, $"transfer {sequence + index} did not arrive");
            }

            for (int index = 0; index < leases.Length; index++)
            {
                SequencedReader.RequireNumber(leases[index].Span, sequence + index);
            }

            foreach (int index in new[] { 2, 0, 1 })
            {
                leases[index].Dispose();
            }
        }

        CaseContext.Figure($"{rounds * leases.Length} leases");
        CaseContext.Require(queue.Statistics.Leases == 0, $"{queue.Statistics.Leases} leases are still out");
    }

    private static async Task SecondReader(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync("in replies\ntask\nawait\nwrite replies 4000");
        await using BulkInQueue queue = rig.OpenQueue(depth: 4);
        byte[] buffer = new byte[Rig.BufferLength];
        Task<BulkInResult> first = queue.RecvAsync(buffer, CaseContext.Patience).AsTask();
        string outcome = "allowed";
        try
        {
            await queue.RecvAsync(new byte[Rig.BufferLength], CaseContext.Patience);
        }
        catch (InvalidOperationException exception)
        {
            outcome = exception.GetType().Name;
        }

        rig.Gadget.Wake();
        BulkInResult result = await first;
        CaseContext.Figure($"the second: {outcome}; the first: {result.Length} bytes");
        CaseContext.Require(outcome == nameof(InvalidOperationException), $"the second receive was {outcome}");
        SequencedReader.RequireNumber(buffer.AsSpan(0, result.Length), number: 0, length: 4000);
        _ = context;
    }

#pragma warning disable VSTHRD103, CA1849 // Blocking is what the case is about.
    private static async Task Continuation(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync("in replies\nout commands\ntask\nwrite replies 4000\nrepeat\ntask\nread commands\nrepeat");
        BulkInQueue queue = rig.OpenQueue(depth: 4);
        Task blocked = queue.RecvAsync(new byte[Rig.BufferLength], CaseContext.Patience).AsTask().ContinueWith(
            _ =>
            {
                // On the thread that handles events this would never return.
                rig.Host.WriteAsync(rig.Out, new byte[512], CaseContext.Patience).GetAwaiter().GetResult();
                rig.Host.ControlAsync(new LibUsbSetup(0xC1, 1, 0, 0), new byte[16], CaseContext.Patience).GetAwaiter().GetResult();
                queue.DisposeAsync().AsTask().GetAwaiter().GetResult();
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
        await CaseContext.Within(blocked, "the continuation ends");
        TeardownCases.RequireNothingOutstanding(rig);
        CaseContext.Figure("wrote, asked and disposed inside the continuation");
        _ = context;
    }
#pragma warning restore VSTHRD103, CA1849

    private static async Task RefusedRepost(CaseContext context)
    {
        const int Depth = 80;
        const int Transfers = 1000;
        await using Rig rig = await Rig.GadgetAsync($"in replies\ntask\nawait\nwrite replies 4000 {Transfers}");
        string before = await File.ReadAllTextAsync(UsbfsLimit);
        await using BulkInQueue queue = rig.Host.OpenBulkInQueue(
            rig.In, new BulkInQueueOptions { Depth = Depth, BufferLength = Rig.BufferLength, Memory = BulkInMemory.Pinned });
        try
        {
            // As if another program had taken the rest: what is posted is more than all that is granted now.
            await File.WriteAllTextAsync(UsbfsLimit, "1");
            rig.Gadget.Wake();
            var reader = new SequencedReader(queue, rig);
            await reader.ReceiveAsync(Transfers / 2);
            int fewest = queue.Statistics.Posted;
            await File.WriteAllTextAsync(UsbfsLimit, before);
            await reader.ReceiveAsync(Transfers / 2);
            await CaseContext.Until(() => queue.Statistics.Posted == Depth, "every slot is posted again");
            BulkInStatistics statistics = queue.Statistics;
            CaseContext.Figure($"{statistics.SubmitsDeferred} submits deferred, {fewest} of {Depth} posted under the limit, {statistics.Posted} after it; {statistics.Faults} faults");
            CaseContext.Require(statistics.SubmitsDeferred > 0 && fewest < Depth, "no submit was refused, so the case shows nothing");
            CaseContext.Require(statistics.Faults == 0, $"{statistics.Faults} faults were counted");
        }
        finally
        {
            await File.WriteAllTextAsync(UsbfsLimit, before);
        }

        _ = context;
    }

    private static async Task DeviceMemory(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync(Endless);
        ProcessResources start = default;
        for (int cycle = 0; cycle < context.Size(20, 4); cycle++)
        {
            // What the first cycle opens once and for all is no leak.
            start = cycle == 1 ? ProcessResources.Now() : start;
            await using (BulkInQueue queue = rig.Host.OpenBulkInQueue(rig.In, new BulkInQueueOptions { BufferLength = Rig.BufferLength, Memory = BulkInMemory.Device }))
            {
                int mapped = ProcessResources.Now().UsbMappings;
                CaseContext.Require(mapped > 0, "there are no mappings, so the case shows nothing");
                CaseContext.Require((await queue.RecvAsync(new byte[Rig.BufferLength], CaseContext.Patience)).IsData, "nothing arrives");
                if (cycle == 0)
                {
                    CaseContext.Figure($"{mapped} mappings while open");
                }

                rig.Gadget.Device.Unbind();
                await new FaultCollector(queue, rig).ReceiveToTheEndAsync();
            }

            await rig.Host.DisposeAsync();
            ProcessResources closed = ProcessResources.Now();
            CaseContext.Require(closed is { UsbDescriptors: 0, UsbMappings: 0 }, $"closed, the process still holds {closed}");
            rig.Gadget.Device.Bind();
            await rig.FollowReplugAsync();
        }

        TeardownCases.RequireSame(start, ProcessResources.Now());
    }

    private static async Task TwoDevices(CaseContext context)
    {
        using var slow = new SlowClearHalt();
        await using Rig stalled = Rig.OnVirtual(context, slow);
        await using Rig lively = Rig.OnVirtual(context, "on 0x84\ndata 4000 after 10ms\nrepeat");
        await using BulkInQueue first = stalled.OpenQueue(depth: 8);
        await using BulkInQueue second = lively.OpenQueue(depth: 8);
        stalled.Virtual.Halt(stalled.In);
        CaseContext.Require(slow.ClearHaltArrived.Wait(CaseContext.Patience), "no CLEAR_FEATURE(HALT) came after the stall");
        long longest = 0;
        byte[] buffer = new byte[Rig.BufferLength];
        for (int sequence = 0; sequence < 50; sequence++)
        {
            long start = Stopwatch.GetTimestamp();
            BulkInResult result = await second.RecvAsync(buffer, CaseContext.Patience);
            longest = Math.Max(longest, Stopwatch.GetTimestamp() - start);
            CaseContext.Require(result.IsData, $"transfer {sequence} of the lively device did not arrive");
        }

        bool waited = slow.IsClearHaltWaiting;
        BulkInState state = first.State;
        slow.AnswerClearHalt(stalled.Virtual);
        TimeSpan gap = Stopwatch.GetElapsedTime(0, longest);
        CaseContext.Figure($"the longest wait at the lively device: {gap.TotalMilliseconds:0} ms; the other one: {state}");
        // Had the lively device been held up, its transfers would have come only after the request had ended.
        CaseContext.Require(waited, "the request had ended before the lively device's last transfer came");
        CaseContext.Require(state == BulkInState.Recovering, $"the stalled device's queue is {state}, so the case shows nothing");
    }
}
