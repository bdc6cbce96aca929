using BulkIn.UsbMon;
using Xunit;

namespace BulkIn.KernelBenchTests;

public sealed class TimelineTests
{
    private const byte In = 0x84;

    [Fact]
    public void Depths_SubmitsAndCompletions_CountWhatIsPosted()
    {
        EndpointTimeline seen = new([S(1, 10), S(2, 20), C(1, 30), S(1, 40)]);

        Assert.Equal([1, 2, 1, 2], seen.Depths.Select(change => change.Depth));
        Assert.Equal(2, seen.Outstanding);
        Assert.Equal(3, seen.Submissions);
    }

    [Fact]
    public void Depths_CompletionOfAnUnseenSubmission_IsIgnored()
    {
        EndpointTimeline seen = new([C(9, 5), S(1, 10)]);

        Assert.Equal(1, seen.Outstanding);
    }

    [Fact]
    public void Depths_RefusedSubmission_IsNotPosted()
    {
        EndpointTimeline seen = new([S(1, 10), new UsbMonEvent(UsbMonKind.SubmitError, 1, UsbTransferKind.Bulk, In, 2, 1, 11, -19, 0, 0)]);

        Assert.Equal(0, seen.Outstanding);
    }

    [Fact]
    public void OutOfOrderCompletions_SecondBeforeFirst_IsCounted()
    {
        Assert.Equal(0, new EndpointTimeline([S(1, 1), S(2, 2), C(1, 3), C(2, 4)]).OutOfOrderCompletions);
        Assert.Equal(1, new EndpointTimeline([S(1, 1), S(2, 2), C(2, 3), C(1, 4)]).OutOfOrderCompletions);
    }

    [Fact]
    public void Profile_DepthsOverTime_WeighsByTime()
    {
        // 2 posted for 100, 1 for 98, none for 2, 1 for 100.
        EndpointTimeline seen = new([S(1, 0), S(2, 0), C(1, 100), C(2, 198), S(1, 200)]);

        DepthProfile profile = seen.Profile(new TimeWindow(0, 300));

        Assert.Equal(300, profile.Total);
        Assert.Equal(0, profile.Minimum);
        Assert.Equal(1, profile.P1);
        Assert.Equal(1, profile.Median);
        Assert.Equal([2], profile.Gaps);
        Assert.Equal(298.0 / 300, profile.ShareAtLeast(1), precision: 9);
        Assert.Equal(100.0 / 300, profile.ShareAtLeast(2), precision: 9);
    }

    [Fact]
    public void Profile_WindowWithinTheEvents_CountsOnlyTheWindow()
    {
        EndpointTimeline seen = new([S(1, 0), C(1, 100), S(1, 150), C(1, 200)]);

        DepthProfile profile = seen.Profile(new TimeWindow(120, 220));

        Assert.Equal([30, 20], profile.Gaps);
        Assert.Equal(100, profile.Total);
        Assert.Equal(0.5, profile.ShareAtLeast(1), precision: 9);
    }

    [Fact]
    public void Profile_SeveralWindows_AddsThemUp()
    {
        // Posted but for 50 to 100 and 200 to 300; looked at but for 90 to 250.
        EndpointTimeline seen = new([S(1, 0), C(1, 50), S(1, 100), C(1, 200), S(1, 300)]);

        DepthProfile profile = seen.Profile(new TimeWindow(0, 90), new TimeWindow(250, 400));

        Assert.Equal([40, 50], profile.Gaps);
        Assert.Equal(240, profile.Total);
    }

    [Fact]
    public void Profile_NoTime_SaysNothing()
    {
        DepthProfile profile = new EndpointTimeline([S(1, 0)]).Profile();

        Assert.Equal((0, 0, 0L), (profile.Minimum, profile.Median, profile.Total));
    }

    [Theory]
    [InlineData("", "10-100")]
    [InlineData("0-5", "10-100")]
    [InlineData("0-20", "20-100")]
    [InlineData("30-40", "10-30 40-100")]
    [InlineData("50-70 30-40 60-80", "10-30 40-50 80-100")]
    [InlineData("90-200", "10-90")]
    [InlineData("0-200", "")]
    public void Without_Others_LeavesTheRestInOrder(string others, string left)
    {
        TimeWindow window = new(10, 100);

        Assert.Equal(Windows(left), window.Without(Windows(others)));
    }

    [Fact]
    public void OutstandingAtClearHalt_PostedAndDrained_TellsThemApart()
    {
        Timeline drained = new([S(1, 0), C(1, 10), ClearHalt(20), S(1, 30)]);
        Timeline posted = new([S(1, 0), S(2, 0), C(1, 10), ClearHalt(10), C(2, 11)]);

        Assert.Equal([0], drained.OutstandingAtClearHalt(device: 2, In));
        Assert.Equal([1], posted.OutstandingAtClearHalt(device: 2, In));
    }

    [Fact]
    public void Endpoint_OtherDevicesAndEndpoints_AreLeftOut()
    {
        Timeline timeline = new([S(1, 0), S(2, 0) with { Device = 3 }, S(3, 0) with { Endpoint = 0x02 }, ClearHalt(5)]);

        Assert.Single(timeline.Endpoint(2, In).Events);
    }

    private static IReadOnlyList<TimeWindow> Windows(string text) =>
    [
        .. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(window => window.Split('-').Select(long.Parse).ToArray()).Select(ends => new TimeWindow(ends[0], ends[1])),
    ];

    private static UsbMonEvent S(ulong id, long time) => new(UsbMonKind.Submission, id, UsbTransferKind.Bulk, In, 2, 1, time, -115, 16384, 0);

    private static UsbMonEvent C(ulong id, long time) => new(UsbMonKind.Completion, id, UsbTransferKind.Bulk, In, 2, 1, time, 0, 512, 0);

    private static UsbMonEvent ClearHalt(long time) => new(UsbMonKind.Submission, 99, UsbTransferKind.Control, 0, 2, 1, time, 0, 0, 0x0084_0000_0102);
}
