using System.CommandLine;
using System.Globalization;
using BulkIn.Soak;

Option<TimeSpan> duration = new("--duration") { HelpName = "HH:MM:SS", Description = "How long at most. Default one minute.", DefaultValueFactory = static _ => TimeSpan.FromMinutes(1) };
Option<long> transfers = new("--transfers") { HelpName = "N", Description = "Ends after so many transfers. Default: the duration decides.", DefaultValueFactory = static _ => long.MaxValue };
Option<int> seed = new("--seed") { HelpName = "N", Description = "The seed of the faults and of the reader. Default: a new one, printed.", DefaultValueFactory = static _ => Random.Shared.Next(1, 1_000_000) };
RootCommand root = new("Numbered messages through a queue under random faults: every gap must be covered by a reported fault, nothing may come twice or out of order, and memory, threads and handles must stay flat. Ends with 1 on a violation.")
{
    duration, transfers, seed,
};
root.SetAction((parsed, cancellationToken) => SoakAsync(parsed.GetValue(duration), parsed.GetValue(transfers), parsed.GetValue(seed), cancellationToken));
return await root.Parse(args).InvokeAsync();

static async Task<int> SoakAsync(TimeSpan duration, long transfers, int seed, CancellationToken cancellationToken)
{
    Console.WriteLine(FormattableString.Invariant($"seed {seed}, at most {duration}"));
    long start = TimeProvider.System.GetTimestamp();
    MessageVerifier verifier = new();
    await using SimulatedSource source = new(seed);
    SoakReader reader = new(source, verifier, seed);
    using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
    stop.CancelAfter(duration);
    Task reading = Task.Run(() => reader.RunAsync(stop.Token), CancellationToken.None);
    Footprint? first = null;
    using PeriodicTimer second = new(TimeSpan.FromSeconds(1));
    int ticks = 0;
    long before = 0;
    while (!reading.IsCompleted)
    {
        Task tick = second.WaitForNextTickAsync(CancellationToken.None).AsTask();
        await Task.WhenAny(reading, tick);
        if (++ticks % 5 == 0 || reading.IsCompleted)
        {
            Footprint now = Footprint.Take();

            // The first looks warm pools and caches up.
            first = ticks <= 10 ? now : first;
            Report(now);
        }

        if (verifier.Transfers >= transfers)
        {
            await stop.CancelAsync();
        }
    }

    string? violation = null;
    try
    {
        await reading;
    }
    catch (Exception failure) when (failure is StreamViolationException or TimeoutException or BulkIn.Testing.SimulationMisuseException or InvalidOperationException)
    {
        violation = failure.Message;
    }

    Footprint last = Footprint.Take();
    Report(last);
    violation ??= first is { } warm && last.GrownSince(warm) is { } growth ? $"The footprint grew {growth}." : null;
    if (violation is null)
    {
        Console.WriteLine("no violation");
        return 0;
    }

    await Console.Error.WriteLineAsync(FormattableString.Invariant($"VIOLATION (seed {seed}): {violation}"));
    return 1;

    void Report(Footprint footprint)
    {
        TimeSpan elapsed = TimeProvider.System.GetElapsedTime(start);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{elapsed:hh\\:mm\\:ss}  {verifier.Transfers:N0} transfers (+{verifier.Transfers - before:N0}), {verifier.Messages:N0} messages, {reader.Faults:N0} faults, {verifier.Gaps:N0} gaps, {reader.Openings:N0} openings; {footprint}"));
        before = verifier.Transfers;
    }
}
