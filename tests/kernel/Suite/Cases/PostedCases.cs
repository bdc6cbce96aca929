using BulkIn.DeviceScript;
using BulkIn.UsbMon;

namespace BulkIn.Bench;

/// <summary>The promise of the library's name: the endpoint is always posted. The judge is usbmon, not the library.</summary>
internal static class PostedCases
{
    private static readonly int[] Depths = [1, 2, 4, 8];

    // What an observer that stamps in another place, in whole microseconds, on a machine with other work, may see less than the library.
    private static readonly TimeSpan Tolerance = TimeSpan.FromMilliseconds(1);

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        .. Depths.Append(32).Select(depth => new BenchCase(
            $"posted.open.depth{depth}", $"After Open exactly {depth} URBs are outstanding.", _ => AfterOpen(depth))),
        .. Depths.Select(depth => new BenchCase(
            $"posted.steady.depth{depth}",
            "With a reader that keeps up, one transfer per 20 ms leaves at least depth - 1 posted for 99 % of the time, and never none from depth 4 on.",
            context => Steady(context, depth))),
        new("posted.starved", "A reader that stays away starves the endpoint, and the library's figure for it is a lower bound of usbmon's.", Starved),
    ];

    private static async Task AfterOpen(int depth)
    {
        await using Rig rig = await Rig.GadgetAsync("in silent");
        await using BulkInQueue queue = rig.OpenQueue(depth);
        EndpointTimeline seen = rig.InTimeline;
        CaseContext.Figure($"{seen.Outstanding} outstanding of {seen.Submissions} submitted");
        CaseContext.Require(seen.Outstanding == depth && seen.Submissions == depth, $"{seen.Outstanding} URBs are outstanding where {depth} were to be");
        CaseContext.Require(queue.Statistics.Posted == depth, $"the library counts {queue.Statistics.Posted} posted where usbmon sees {depth}");
    }

    private static async Task Steady(CaseContext context, int depth)
    {
        int transfers = context.Size(1500, 250);
        await using Rig rig = await Rig.GadgetAsync($"""
            in replies
            task
            await
            write replies 4000 {transfers} every 20ms
            """);
        await using BulkInQueue queue = rig.OpenQueue(depth);
        rig.Gadget.Wake();
        await ReceiveAsync(queue, first: 0, transfers);
        BulkInStatistics statistics = queue.Statistics;
        Timeline timeline = rig.Observer.Snapshot();
        EndpointTimeline seen = timeline.Endpoint(rig.Device.Address, rig.In);
        List<UsbMonEvent> completions = [.. seen.Completions];
        DepthProfile profile = seen.Profile(completions[0].Microseconds - 1, completions[^1].Microseconds - 1);
        double kept = profile.ShareAtLeast(depth - 1);

        CaseContext.Figure($"{transfers} transfers; posted min {profile.Minimum}, p1 {profile.P1}, median {profile.Median}; at least {depth - 1} for {kept:P2}");
        CaseContext.Figure($"nothing posted {profile.Gaps.Count} times, {Milliseconds(profile.GapTime)} in all{LongestGap(profile)}");
        CaseContext.Figure($"the library counts {statistics.Starvations} times, {statistics.StarvationTime.TotalMilliseconds:0.0} ms");
        CaseContext.Require(timeline.Dropped == 0, $"usbmon dropped {timeline.Dropped} events: nothing can be concluded");
        CaseContext.Require(kept >= 0.99, $"at least {depth - 1} were posted for only {kept:P2} of the time");
        CaseContext.Require(depth < 4 || profile.Minimum > 0, $"nothing was posted {profile.Gaps.Count} times, for {Milliseconds(profile.GapTime)} in all");
        RequireLowerBound(statistics, profile);
    }

    private static async Task Starved(CaseContext _)
    {
        const int Before = 50;
        TimeSpan absence = TimeSpan.FromMilliseconds(100);
        await using Rig rig = await Rig.GadgetAsync("""
            in replies
            task
            write replies 4000
            repeat
            """);
        await using BulkInQueue queue = rig.OpenQueue(depth: 2, spareBuffers: 0);
        await ReceiveAsync(queue, first: 0, Before);
        CaseContext.Require(rig.Observer.WaitFor(_ => rig.InTimeline.Outstanding == 0, CaseContext.Patience), "the device did not use up the two posted transfers");
        await Task.Delay(absence);
        await ReceiveAsync(queue, Before, Before);
        BulkInStatistics statistics = queue.Statistics;
        EndpointTimeline seen = rig.InTimeline;
        DepthProfile profile = seen.Profile(seen.Events[0].Microseconds, seen.Events[^1].Microseconds);

        CaseContext.Figure($"usbmon: nothing posted {profile.Gaps.Count} times, {Milliseconds(profile.GapTime)} in all{LongestGap(profile)}");
        CaseContext.Figure($"the library counts {statistics.Starvations} times, {statistics.StarvationTime.TotalMilliseconds:0.0} ms");
        CaseContext.Require(statistics.Starvations > 0 && statistics.StarvationTime >= 0.9 * absence, "the library did not notice that it starved");
        CaseContext.Require(profile.Gaps.Max() >= absence.TotalMicroseconds, "usbmon did not see the reader's absence");
        RequireLowerBound(statistics, profile);
    }

    private static async Task ReceiveAsync(BulkInQueue queue, int first, int count)
    {
        byte[] buffer = new byte[Rig.BufferLength];
        for (int sequence = first; sequence < first + count; sequence++)
        {
            BulkInResult result = await queue.RecvAsync(buffer, CaseContext.Patience);
            CaseContext.Require(result.IsData, $"transfer {sequence} did not arrive");
            CaseContext.Require(SequencedPayload.FirstDifference(buffer.AsSpan(0, result.Length), sequence) < 0, $"transfer {sequence} is not the one the device sent");
        }
    }

    // The library counts from the callback that found nothing posted to the submit that ended it: inside what usbmon sees, but for the two clocks.
    private static void RequireLowerBound(BulkInStatistics statistics, DepthProfile profile)
    {
        TimeSpan tolerance = Tolerance * Math.Max(1, profile.Gaps.Count);
        TimeSpan seen = TimeSpan.FromMicroseconds(profile.GapTime);
        CaseContext.Require(
            statistics.StarvationTime <= seen + tolerance,
            $"the library counts {statistics.StarvationTime.TotalMilliseconds:0.0} ms without a posted transfer, usbmon {seen.TotalMilliseconds:0.0} ms (tolerance {tolerance.TotalMilliseconds:0} ms)");
    }

    private static string LongestGap(DepthProfile profile) => profile.Gaps.Count == 0 ? "" : $", longest {Milliseconds(profile.Gaps.Max())}, mean {Milliseconds(profile.GapTime / profile.Gaps.Count)}";

    private static string Milliseconds(long microseconds) => $"{microseconds / 1000.0:0.0} ms";
}
