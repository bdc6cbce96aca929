using BulkIn.UsbMon;

namespace BulkIn.Bench;

/// <summary>The promise of the library's name: the endpoint is always posted. The judge is usbmon, not the library.</summary>
internal static class PostedCases
{
    private static readonly int[] Depths = [1, 2, 4, 8];

    // The steady device's: one transfer each.
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(20);

    private const int WarmUp = 20;

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
        TimeSpan wanted = TimeSpan.FromSeconds(context.Size(30, 5));
        await using Rig rig = await Rig.GadgetAsync("""
            in replies
            task
            write replies 4000 every 20ms
            repeat
            """);
        await using BulkInQueue queue = rig.OpenQueue(depth);
        var reader = new SequencedReader(queue, rig);
        await reader.ReceiveAsync(WarmUp);
        // A reader that is late by half a period is not the library's doing when nobody else was in time either.
        using var witness = new StallWitness(late: Period / 2, recovery: Period);
        TimeWindow measured = await ReadUndisturbedAsync(reader, witness, wanted);
        IReadOnlyList<TimeWindow> undisturbed = measured.Without(witness.Stalls());
        DepthProfile profile = rig.InTimeline.Profile(undisturbed);
        double kept = profile.ShareAtLeast(depth - 1);
        CaseContext.Figure($"{reader.Next} transfers; posted min {profile.Minimum}, p1 {profile.P1}, median {profile.Median}; at least {depth - 1} for {kept:P2} of {profile.Total / 1e6:0.0} s undisturbed ({measured.Length / 1e6:0.0} s in all)");
        CaseContext.Figure(Describe("nothing posted", profile));
        RequireLowerBound(queue, rig);
        CaseContext.Require(kept >= 0.99, $"at least {depth - 1} were posted for only {kept:P2} of the time");
        CaseContext.Require(depth < 4 || profile.Minimum > 0, $"nothing was posted {profile.Gaps.Count} times, for {Milliseconds(profile.GapTime)} in all");
    }

    // The reader does nothing but read meanwhile.
    private static async Task<TimeWindow> ReadUndisturbedAsync(SequencedReader reader, StallWitness witness, TimeSpan wanted)
    {
        long start = Observer.Now, limit = 10 * (long)wanted.TotalMicroseconds;
        using var enough = new CancellationTokenSource();
        Task reading = reader.ReceiveUntilAsync(enough.Token);
        TimeWindow measured;
        do
        {
            await Task.WhenAny(reading, Task.Delay(wanted / 10));
            measured = new TimeWindow(start, Observer.Now);
        }
        while (!reading.IsCompleted && measured.Length < limit && measured.Without(witness.Stalls()).Sum(window => window.Length) < wanted.TotalMicroseconds);

        await enough.CancelAsync();
        await reading;
        CaseContext.Require(measured.Length < limit, $"this machine stands still too often to show anything: not {wanted.TotalSeconds:0} s undisturbed of {measured.Length / 1e6:0} s");
        return measured;
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
        var reader = new SequencedReader(queue, rig);
        await reader.ReceiveAsync(Before);
        // Both must have noticed before the absence begins, so that it lasts as long for both.
        await CaseContext.Until(() => rig.InTimeline.Outstanding == 0 && queue.Statistics.Posted == 0, "the device uses up the two posted transfers", () => SequencedReader.Situation(queue, rig));
        await CaseContext.StayAwayAsync(absence);
        await reader.ReceiveAsync(Before);
        DepthProfile profile = RequireLowerBound(queue, rig);
        BulkInStatistics statistics = queue.Statistics;
        CaseContext.Require(statistics.Starvations > 0 && statistics.StarvationTime >= absence, $"the library did not notice that it starved for {absence.TotalMilliseconds:0} ms");
        CaseContext.Require(profile.Gaps.Max() >= absence.TotalMicroseconds, "usbmon did not see the reader's absence");
    }

    // The library counts from the callback that found nothing posted to the submit that ended it: inside what usbmon sees, but for the two clocks.
    private static DepthProfile RequireLowerBound(BulkInQueue queue, Rig rig)
    {
        BulkInStatistics statistics = queue.Statistics;
        long now = Observer.Now;
        Timeline timeline = rig.Observer.Snapshot();
        EndpointTimeline seen = timeline.Endpoint(rig.Device.Address, rig.In);
        DepthProfile profile = seen.Profile(new TimeWindow(seen.Events[0].Microseconds, now));
        TimeSpan tolerance = Tolerance * Math.Max(1, profile.Gaps.Count);
        TimeSpan time = TimeSpan.FromMicroseconds(profile.GapTime);
        CaseContext.Figure($"the library counts {statistics.Starvations} times, {statistics.StarvationTime.TotalMilliseconds:0.0} ms, of usbmon's {Describe("nothing posted", profile)} (tolerance {Tolerance.TotalMilliseconds:0} ms a gap)");
        CaseContext.Require(timeline.Dropped == 0, $"usbmon dropped {timeline.Dropped} events: nothing can be concluded");
        CaseContext.Require(
            statistics.Starvations <= profile.Gaps.Count && statistics.StarvationTime <= time + tolerance,
            $"the library counts {statistics.Starvations} times and {statistics.StarvationTime.TotalMilliseconds:0.0} ms without a posted transfer, usbmon {profile.Gaps.Count} times and {time.TotalMilliseconds:0.0} ms (tolerance {tolerance.TotalMilliseconds:0} ms)");
        return profile;
    }

    private static string Describe(string what, DepthProfile profile) =>
        $"{what} {profile.Gaps.Count} times, {Milliseconds(profile.GapTime)} in all" + (profile.Gaps.Count == 0 ? "" : $", longest {Milliseconds(profile.Gaps.Max())}, mean {Milliseconds(profile.GapTime / profile.Gaps.Count)}");

    private static string Milliseconds(long microseconds) => $"{microseconds / 1000.0:0.0} ms";
}
