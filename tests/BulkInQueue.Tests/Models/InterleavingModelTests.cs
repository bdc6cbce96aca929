using System.Globalization;
using Xunit;

namespace BulkIn;

/// <summary>
/// Everything that can happen, in every place where a thread of the queue can stand in the middle of something: one thing, and two one after the other; and any three
/// at one moment (<c>BULKIN_MOMENT_ROUNDS=…</c> so many times). See <see cref="InterleavingRun"/>.
/// </summary>
public sealed class InterleavingModelTests
{
    public static TheoryData<Window> Windows => [.. Enum.GetValues<Window>()];

    [Theory]
    [FaultRow(25)]
    [FaultRow(33)]
    [FaultRow(74)]
    [MemberData(nameof(Windows))]
    public async Task AnyAct_InTheWindow_LosesNothingAndEnds(Window window)
    {
        foreach (Reading reading in Readings(window))
        {
            await InterleavingRun.PlayAsync(window, reading);
            foreach (Act act in Enum.GetValues<Act>())
            {
                await InterleavingRun.PlayAsync(window, reading, act);
            }
        }
    }

    [Theory]
    [FaultRow(25)]
    [FaultRow(33)]
    [FaultRow(74)]
    [MemberData(nameof(Windows))]
    public async Task AnyTwoActs_InTheWindow_LoseNothingAndEnd(Window window)
    {
        foreach (Reading reading in Readings(window))
        {
            foreach (Act first in Enum.GetValues<Act>())
            {
                foreach (Act second in Enum.GetValues<Act>())
                {
                    await InterleavingRun.PlayAsync(window, reading, first, second);
                }
            }
        }
    }

    [Theory]
    [FaultRow(25)]
    [FaultRow(33)]
    [FaultRow(59)]
    [FaultRow(74)]
    [InlineData(Reading.Nobody)]
    [InlineData(Reading.Awaiting)]
    [InlineData(Reading.Blocking)]
    [InlineData(Reading.Leasing)]
    public async Task AnyThreeActs_AtOneMoment_LoseNothingAndEnd(Reading reading)
    {
        int rounds = Environment.GetEnvironmentVariable("BULKIN_MOMENT_ROUNDS") is { } asked ? int.Parse(asked, CultureInfo.InvariantCulture) : 2;
        Random random = new(rounds);
        Act[] acts = Enum.GetValues<Act>();
        for (int round = 0; round < rounds; round++)
        {
            foreach (Act first in acts)
            {
                foreach (Act second in acts.Where(a => a > first))
                {
                    foreach (Act third in acts.Where(a => a > second))
                    {
                        await InterleavingRun.PlayTogetherAsync(reading, random, first, second, third);
                    }
                }
            }
        }
    }

    private static IEnumerable<Reading> Readings(Window window) => Enum.GetValues<Reading>().Where(r => window.Allows(r));
}
