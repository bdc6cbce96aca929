namespace BulkIn.Bench;

/// <summary>The system's limit for USB buffers, used up by somebody else.</summary>
internal static class MemoryCases
{
    private const int Depth = 8;
    private const int Length = 64 * 1024;
    private const string UsbfsLimit = "/sys/module/usbcore/parameters/usbfs_memory_mb";

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("memory.taken", "A queue that would fit, had not others taken the memory: the opening names the limit, gives everything back, and fewer transfers fit.", Taken)
        {
            Rows = [new FaultRow(15)],
        },
        new("memory.over-budget", "Device memory that the limit does not allow any more falls back on pinned memory.", OverBudget) { Rows = [new FaultRow(62)] },
    ];

    private static async Task Taken(CaseContext context) => await WithHalfTakenAsync(async rig =>
    {
        BulkInException refused = MessageCases.Refused(() => rig.OpenQueue(Depth, bufferLength: Length));
        CaseContext.Figure($"{refused.Error} ({refused.NativeCode}) after {rig.InTimeline.Submissions} submits: {refused.Message}");
        CaseContext.Require(refused is { Error: BulkInError.OutOfMemory, NativeCode: LibUsbCodes.NoMemory }, $"the error is {refused.Error} ({refused.NativeCode})");
        CaseContext.Require(refused.Message.Contains("usbfs_memory_mb", StringComparison.Ordinal), "the message does not name the limit");
        CaseContext.Require(rig.InTimeline.Submissions is > 0 and < Depth, $"{rig.InTimeline.Submissions} of {Depth} were submitted, so the case shows nothing");
        TeardownCases.RequireNothingOutstanding(rig);
        await using BulkInQueue fewer = rig.OpenQueue(depth: 2, bufferLength: Length);
        rig.Gadget.Wake();
        CaseContext.Require((await fewer.RecvAsync(new byte[Length], CaseContext.Patience)).IsData, "the smaller queue gets nothing");
        _ = context;
    });

    private static async Task OverBudget(CaseContext context) => await WithHalfTakenAsync(async rig =>
    {
        await using BulkInQueue queue = rig.Host.OpenBulkInQueue(
            rig.In, new BulkInQueueOptions { Depth = 2, SpareBuffers = Depth, BufferLength = Length, Memory = BulkInMemory.Device });
        int mapped = ProcessResources.Now().UsbMappings;
        CaseContext.Figure($"{mapped} mappings, {queue.Statistics.Posted} posted");
        CaseContext.Require(mapped == 0 && !queue.Capabilities.HasFlag(Backends.BulkInCapabilities.DeviceMemory), $"{mapped} mappings were granted or kept");
        rig.Gadget.Wake();
        CaseContext.Require((await queue.RecvAsync(new byte[Length], CaseContext.Patience)).IsData, "the queue gets nothing");
        _ = context;
    });

    /// <summary>With a limit of 1 MiB of which another device's queue has posted more than half.</summary>
    private static async Task WithHalfTakenAsync(Func<Rig, Task> body)
    {
        await using Rig other = await Rig.GadgetAsync("in silent", observe: false);
        await using Rig rig = await Rig.GadgetAsync("in replies\ntask\nawait\nwrite replies 4000\nrepeat");
        string before = await File.ReadAllTextAsync(UsbfsLimit);
        await File.WriteAllTextAsync(UsbfsLimit, "1");
        try
        {
            await using BulkInQueue taken = other.Host.OpenBulkInQueue(
                other.In, new BulkInQueueOptions { Depth = Depth + 2, BufferLength = Length, Memory = BulkInMemory.Pinned });
            await body(rig);
        }
        finally
        {
            await File.WriteAllTextAsync(UsbfsLimit, before);
        }
    }
}
