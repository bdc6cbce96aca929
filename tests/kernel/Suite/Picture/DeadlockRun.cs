using BulkIn.UsbMon;

namespace BulkIn.Bench;

/// <summary>One way of reading, as its picture needs it. Times are microseconds since its first transfer.</summary>
/// <param name="Name">What the host did.</param>
/// <param name="End">When the last thing happened.</param>
/// <param name="Outs">Completed OUT transfers over time.</param>
/// <param name="Depths">Posted IN transfers over time.</param>
internal sealed record DeadlockRun(string Name, long End, IReadOnlyList<(long Time, int Value)> Outs, IReadOnlyList<(long Time, int Value)> Depths)
{
    /// <summary>True when every command got through.</summary>
    public bool IsComplete => Outs.Count == DeadlockCases.Commands;

    /// <summary>What came of it.</summary>
    public string Summary => $"{Outs.Count} of {DeadlockCases.Commands} OUTs{(IsComplete ? "" : ", then a deadlock")}";

    /// <summary>Reads a timeline.</summary>
    public static DeadlockRun Read(string name, Timeline timeline)
    {
        List<UsbMonEvent> bulk = [.. timeline.Events.Where(happened => happened.TransferKind == UsbTransferKind.Bulk)];
        long start = bulk[0].Microseconds;
        EndpointTimeline replies = new(bulk.Where(happened => (happened.Endpoint & 0x80) != 0));
        IEnumerable<UsbMonEvent> outs = bulk.Where(happened => happened is { Kind: UsbMonKind.Completion, Status: 0 } && (happened.Endpoint & 0x80) == 0);
        return new DeadlockRun(
            name,
            bulk[^1].Microseconds - start,
            [.. outs.Select((completion, index) => (completion.Microseconds - start, index + 1))],
            [.. replies.Depths.Select(change => (change.Microseconds - start, change.Depth))]);
    }
}
