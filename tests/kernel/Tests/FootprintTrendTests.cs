using BulkIn.Soak;
using Xunit;

namespace BulkIn.KernelBenchTests;

public sealed class FootprintTrendTests
{
    private static readonly Footprint Usual = new(Managed: 1 << 20, Resident: 50 << 20, Threads: 20, Handles: 60);

    [Fact]
    public void Growth_WarmUpAndNoise_IsNone()
    {
        FootprintTrend trend = new();
        for (int i = 0; i < 40; i++)
        {
            trend.Add(i < 10 ? Usual with { Resident = i << 20, Threads = i }
                : Usual with { Managed = Usual.Managed + (i % 3 << 22), Threads = Usual.Threads + (i % 5 * 4), Handles = Usual.Handles + (i % 2 * 20) });
        }

        Assert.True(trend.IsJudged);
        Assert.Null(trend.Growth());
    }

    [Fact]
    public void Growth_ALookWhileTheDeviceWasClosed_IsNone()
    {
        FootprintTrend trend = new();
        for (int i = 0; i < 40; i++)
        {
            trend.Add(i == 15 ? Usual with { Threads = Usual.Threads - 4, Handles = Usual.Handles - 5 } : Usual);
        }

        Assert.Null(trend.Growth());
    }

    [Theory]
    [InlineData(1 << 18, 0, 0, 0, "managed memory")]
    [InlineData(0, 1 << 20, 0, 0, "resident memory")]
    [InlineData(0, 0, 1, 0, "threads")]
    [InlineData(0, 0, 0, 1, "handles")]
    public void Growth_OneThingGrowsWithEachLook_SaysWhich(long managed, long resident, int threads, int handles, string expected)
    {
        FootprintTrend trend = new();
        for (int i = 0; i < 40; i++)
        {
            trend.Add(new Footprint(Usual.Managed + (i * managed), Usual.Resident + (i * resident), Usual.Threads + (i * threads), Usual.Handles + (i * handles)));
        }

        Assert.Contains($"({expected})", trend.Growth(), StringComparison.Ordinal);
    }

    [Fact]
    public void IsJudged_FewLooks_IsFalse()
    {
        FootprintTrend trend = new();
        for (int i = 1; i < FootprintTrend.LooksNeeded; i++)
        {
            trend.Add(Usual);
            Assert.False(trend.IsJudged);
        }
    }
}
