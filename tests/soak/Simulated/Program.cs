using System.CommandLine;
using BulkIn.Soak;
using BulkIn.Testing;

Option<TimeSpan> duration = new("--duration") { HelpName = "HH:MM:SS", Description = "How long at most. Default one minute.", DefaultValueFactory = static _ => TimeSpan.FromMinutes(1) };
Option<long> transfers = new("--transfers") { HelpName = "N", Description = "Ends after so many transfers. Default: the duration decides.", DefaultValueFactory = static _ => long.MaxValue };
Option<int> seed = new("--seed") { HelpName = "N", Description = "The seed of the faults and of the reader. Default: a new one, printed.", DefaultValueFactory = static _ => Random.Shared.Next(1, 1_000_000) };
RootCommand root = new("Numbered messages through a queue under random faults: every gap must be covered by a reported fault, nothing may come twice or out of order, and memory, threads and handles must stay flat. Ends with 1 on a violation.")
{
    duration, transfers, seed,
};
root.SetAction((parsed, cancellationToken) => SoakAsync(parsed.GetValue(duration), parsed.GetValue(transfers), parsed.GetValue(seed), cancellationToken));
return await root.Parse(args).InvokeAsync();

#pragma warning disable CA1031 // Whatever ends the run is a violation, and is told with the seed.
static async Task<int> SoakAsync(TimeSpan duration, long transfers, int seed, CancellationToken cancellationToken)
{
    Console.WriteLine(FormattableString.Invariant($"seed {seed}, at most {duration}"));
    try
    {
        SimulatedSource source = new(seed);
        string last;
        await using (source)
        {
            last = await new SoakRun(source, new SoakHabits(Reopen: 100_000, Pause: 10_000), seed).RunAsync(duration, transfers, Console.WriteLine, cancellationToken);
        }

        Console.WriteLine(last);
        Console.WriteLine("no violation");
        return 0;
    }
    catch (Exception failure)
    {
        bool explained = failure is StreamViolationException or SimulationMisuseException;
        await Console.Error.WriteLineAsync(FormattableString.Invariant($"VIOLATION (seed {seed}): {(explained ? failure.Message : failure)}"));
        return 1;
    }
}
#pragma warning restore CA1031
