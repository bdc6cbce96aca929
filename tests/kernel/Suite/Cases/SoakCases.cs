using BulkIn.Soak;

namespace BulkIn.Bench;

/// <summary>Numbered messages under random faults for as long as <c>--minutes</c> says: the checker of tests/soak over real usbfs.</summary>
internal static class SoakCases
{
    private static readonly TimeSpan Quick = TimeSpan.FromSeconds(10);

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new(
            "soak.virtual",
            "Random stalls, errors, overflows, refused clears, cancels that data crosses, completions out of order, unplugs, signals, pauses and reopenings: every gap is covered by a fault, the footprint stays flat.",
            context => SoakAsync(context, seed => new VirtualSource(context, seed)))
        {
            Rows = [new FaultRow(64)],
            RunsForMinutes = true,
            TimeLimit = TimeSpan.FromSeconds(180),
        },
        new(
            "soak.gadget",
            "Random halts by the device and by the host, unbinding, signals, resets in pauses and reopenings: every gap is covered by a fault, the footprint stays flat.",
            context => SoakAsync(context, seed => new GadgetSource(context, seed)))
        {
            Rows = [new FaultRow(64)],
            RunsForMinutes = true,
            TimeLimit = TimeSpan.FromSeconds(180),
        },
    ];

    private static async Task SoakAsync(CaseContext context, Func<int, DeviceSource> create)
    {
        int seed = Random.Shared.Next(1, 1_000_000);
        CaseContext.Figure($"seed {seed}");
        try
        {
            DeviceSource source = create(seed);
            await using (source)
            {
                source.Start();
                var run = new SoakRun(source, new SoakHabits(Reopen: 2000, Pause: 1000), seed);
                CaseContext.Figure(await run.RunAsync(context.Duration ?? Quick, transfers: long.MaxValue, CaseContext.Progress, CancellationToken.None));
            }
        }
        catch (StreamViolationException violation)
        {
            throw new CaseFailedException(violation.Message);
        }

        ProcessResources left = ProcessResources.Now();
        CaseContext.Require(left is { UsbDescriptors: 0, UsbMappings: 0 }, $"with everything closed the process still has {left}");
    }
}
