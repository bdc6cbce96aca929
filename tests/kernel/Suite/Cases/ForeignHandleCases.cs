using System.Diagnostics;

namespace BulkIn.Bench;

/// <summary>A queue on somebody else's handle: used as intended, and under an owner who closes, exits or stops too early.</summary>
internal static class ForeignHandleCases
{
    private const int Depth = 8;
    private const string Steady = "in replies\ntask\nwrite replies 4000 1 every 10ms\nrepeat";
    private const string Silent = "in silent";

    // Promised within a second; the rest is emulation.
    private static readonly TimeSpan Noticed = TimeSpan.FromSeconds(4);

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("foreign.used", "A queue on another library's handle reads, recovers and ends; then the owner closes, and nothing is left.", Used),
        new("foreign.closed.posted", "An owner that closes under an idle queue ends the waiting receive with HandleClosed within a second.", context => Closed(context, Silent, ReceiveAsync))
        {
            Rows = [new FaultRow(53)],
            Breaks = [ContractRule.ClosePosted],
            LeavesBehind = true,
        },
        new("foreign.closed.blocked", "The same under a blocked Recv.", context => Closed(context, Silent, ReceiveBlocked))
        {
            Rows = [new FaultRow(53)],
            Breaks = [ContractRule.ClosePosted],
            LeavesBehind = true,
        },
        new("foreign.closed.traffic", "The same under traffic: everything received until then is in order.", context => Closed(context, Steady, ReceiveAsync))
        {
            Rows = [new FaultRow(53)],
            Breaks = [ContractRule.ClosePosted],
            LeavesBehind = true,
        },
        new("foreign.closed.device-memory", "The same with device memory, which stays mapped.", context => Closed(context, Silent, ReceiveAsync, BulkInMemory.Device))
        {
            Rows = [new FaultRow(53)],
            Breaks = [ContractRule.ClosePosted, ContractRule.MemoryOpen],
            LeavesBehind = true,
        },
        new("foreign.exited", "An owner that closes and exits its context at once: no call of libusb follows, whatever is done with the queue.", context => Exited(context, owner => owner.Dispose()))
        {
            Rows = [new FaultRow(55)],
            Breaks = [ContractRule.ClosePosted],
            LeavesBehind = true,
        },
        new("foreign.exited-first", "An owner that exits its context without closing, and gives its handle up: no call of libusb follows.", context => Exited(context, owner => owner.Exit()))
        {
            Rows = [new FaultRow(55)],
            Breaks = [ContractRule.ExitOpen],
            LeavesBehind = true,
        },
        new("foreign.stopped", "An owner whose event thread has stopped is told so when the queue is disposed of.", context => Stopped(context, owner => owner.StopPump()))
        {
            Rows = [new FaultRow(53)],
            Breaks = [ContractRule.ClosePosted],
            LeavesBehind = true,
        },
        new("foreign.died", "The same when its event thread dies of one signal.", context => Stopped(context, Kill))
        {
            Rows = [new FaultRow(53, FaultLevels.Shim)],
            Breaks = [ContractRule.ClosePosted],
            LeavesBehind = true,
        },
    ];

    private static async Task Used(CaseContext context)
    {
        const int Before = 20;
        await using Rig rig = await Rig.GadgetAsync($"in replies\ntask\nwrite replies 4000 {Before}\nhalt replies\nwrite replies 4000\nrepeat");
        await rig.Host.DisposeAsync();
        using (var owner = new ForeignOwner(rig.Device))
        {
            await using BulkInQueue queue = BulkInQueue.Open(owner.Handle, rig.In, Depth, Rig.BufferLength);
            var reader = new FaultCollector(queue);
            await reader.ReceiveAsync(3 * Before);
            CaseContext.Figure(reader.Describe());
            CaseContext.Require(reader.Faults is [(Before, { Error: BulkInError.Stall }), ..], $"a stall after {Before} transfers was to be reported: {reader.Describe()}");
            reader.RequireUnbroken();
        }

        TeardownCases.RequireNothingOutstanding(rig);
        await rig.ReopenAsync();
        _ = context;
    }

    private static async Task Closed(CaseContext context, string script, Func<BulkInQueue, Task<BulkInException>> receive, BulkInMemory memory = BulkInMemory.Pinned)
    {
        await using Rig rig = await Rig.GadgetAsync(script);
        await rig.Host.DisposeAsync();
        using var owner = new ForeignOwner(rig.Device);
        BulkInQueue queue = BulkInQueue.Open(owner.Handle, rig.In, new BulkInQueueOptions { Depth = Depth, BufferLength = Rig.BufferLength, Memory = memory });
        Task<BulkInException> receiving = receive(queue);
        // Into the wait, which nothing announces.
        await Task.Delay(TimeSpan.FromMilliseconds(100));
        CaseContext.Require(!receiving.IsCompleted, "the receive did not wait for the owner's mistake");
        long start = Stopwatch.GetTimestamp();
        owner.Close();
        await CaseContext.Within(receiving, "the receive ends when the owner closes its handle");
        TimeSpan noticed = Stopwatch.GetElapsedTime(start);
        BulkInException fault = await receiving;
        CaseContext.Figure($"{fault.Error} after {noticed.TotalMilliseconds:0} ms: {fault.Message}");
        CaseContext.Require(fault.Error == BulkInError.HandleClosed && queue.State == BulkInState.Gone, $"it was reported as {fault.Error}, {queue.State}");
        CaseContext.Require(noticed < Noticed, $"it was noticed after {noticed.TotalMilliseconds:0} ms");
        BulkInException later = await FaultCases.FaultOfAsync(queue.RecvAsync(new byte[Rig.BufferLength], CaseContext.Patience).AsTask());
        CaseContext.Require(later.Error == BulkInError.HandleClosed, $"a later receive says {later.Error}");
        await RequireDisposedAtOnceAsync(queue);

        if (memory == BulkInMemory.Pinned)
        {
            // Closed, the device is free for the next one. A mapping that nobody may unmap any more keeps it until the process ends.
            TeardownCases.RequireNothingOutstanding(rig);
            await rig.ReopenAsync();
        }

        _ = context;
    }

    private static async Task Exited(CaseContext context, Action<ForeignOwner> leave)
    {
        await using Rig rig = await Rig.GadgetAsync(Silent);
        await rig.Host.DisposeAsync();
        using var owner = new ForeignOwner(rig.Device);
        BulkInQueue queue = BulkInQueue.Open(owner.Handle, rig.In, Depth, Rig.BufferLength);
        Task<BulkInException> receiving = ReceiveAsync(queue);
        leave(owner);
        await CaseContext.Within(receiving, "the receive ends when the owner exits its context");
        BulkInException fault = await receiving;
        CaseContext.Figure($"{fault.Error}, {queue.State}");
        CaseContext.Require(fault.Error == BulkInError.HandleClosed, $"it was reported as {fault.Error}: {fault.Message}");

        // Whatever is asked now is answered without libusb: the contract checker ends the process at a call.
        CaseContext.Require((await FaultCases.FaultOfAsync(queue.RecoverAsync())).Error == BulkInError.HandleClosed, "RecoverAsync does not say that the handle is closed");
        CaseContext.Require((await FaultCases.FaultOfAsync(queue.PauseAsync())).Error == BulkInError.HandleClosed, "PauseAsync does not say that the handle is closed");
        await CaseContext.Within(queue.StopAsync(), "StopAsync");
        await RequireDisposedAtOnceAsync(queue);
        _ = context;
    }

    private static async Task Stopped(CaseContext context, Action<ForeignOwner> stop)
    {
        await using Rig rig = await Rig.GadgetAsync(Silent);
        await rig.Host.DisposeAsync();
        using var owner = new ForeignOwner(rig.Device);
        var logger = new CollectingLogger();
        BulkInQueue queue = BulkInQueue.Open(
            owner.Handle, rig.In, new BulkInQueueOptions { Depth = Depth, BufferLength = Rig.BufferLength, DisposeTimeout = TimeSpan.FromSeconds(1), Logger = logger });
        stop(owner);
        await CaseContext.Until(() => !owner.IsPumping, "the owner's event thread ends");
        await CaseContext.Within(queue.DisposeAsync().AsTask(), "DisposeAsync without an event thread");
        CaseContext.Figure($"{queue.Statistics.Leaked} transfers left behind: {string.Join(" | ", logger.Messages.TakeLast(1))}");
        CaseContext.Require(queue.Statistics.Leaked == Depth, $"{queue.Statistics.Leaked} of {Depth} transfers were left behind");
        logger.RequireSaid("the event thread that pumps this handle has stopped");
        _ = context;
    }

    // As LibUsbDotNet 3's thread dies: of one signal.
    private static void Kill(ForeignOwner owner) => Shim.InterruptPumpsUntil(() => !owner.IsPumping, "the owner's event thread dies");

    private static async Task RequireDisposedAtOnceAsync(BulkInQueue queue)
    {
        long start = Stopwatch.GetTimestamp();
        await CaseContext.Within(queue.DisposeAsync().AsTask(), "DisposeAsync with the handle closed");
        CaseContext.Require(Stopwatch.GetElapsedTime(start) < Noticed, "DisposeAsync waited for completions that cannot come");
        CaseContext.Require(queue.Statistics.Leaked > 0, "nothing was left behind, though the system may still write into the buffers");
    }

    private static async Task<BulkInException> ReceiveAsync(BulkInQueue queue)
    {
        var reader = new FaultCollector(queue);
        BulkInException end = await reader.ReceiveToTheEndAsync();
        reader.RequireUnbroken();
        return end;
    }

#pragma warning disable VSTHRD103, CA1849 // Blocking is what the case is about.
    private static Task<BulkInException> ReceiveBlocked(BulkInQueue queue) => Task.Factory.StartNew(
        () =>
        {
            try
            {
                BulkInResult result = queue.Recv(new byte[Rig.BufferLength], CaseContext.Patience);
                throw new CaseFailedException($"the blocked Recv ended with {result.Status}");
            }
            catch (BulkInException fault)
            {
                return fault;
            }
        },
        CancellationToken.None,
        TaskCreationOptions.LongRunning,
        TaskScheduler.Default);
#pragma warning restore VSTHRD103, CA1849
}
