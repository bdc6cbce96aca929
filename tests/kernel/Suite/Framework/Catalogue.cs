namespace BulkIn.Bench;

/// <summary>Every case there is, in the order in which they run.</summary>
internal static class Catalogue
{
    public static IReadOnlyList<BenchCase> All { get; } =
    [
        .. CheckerCases.All,
        .. DeadlockCases.All,
        .. PostedCases.All,
        .. ContentCases.All,
        .. TeardownCases.All,
        .. UnplugCases.All,
        .. UnplugMomentCases.All,
        .. FaultCases.All,
        .. InterruptionCases.All,
        .. OwnershipCases.All,
        .. RefusedCallCases.All,
        .. CompletionCases.All,
        .. EventCases.All,
        .. ForeignHandleCases.All,
        .. ForgottenCases.All,
        .. MemoryCases.All,
        .. AlternateCases.All,
        .. RaceCases.All,
        .. SplitCases.All,
        .. TrafficCases.All,
        .. MessageCases.All,
        .. AdapterCases.All,
        .. PumpCases.All,
        .. SampleCases.All,
        .. OptionalCases.All,
        .. SoakCases.All,
    ];

    /// <summary>The cases that a command line selects, in the catalogue's order.</summary>
    /// <param name="names">Names, or their beginnings up to a dot, with it or without; none selects the default suite.</param>
    /// <param name="full">True to run the long cases as well.</param>
    /// <exception cref="ArgumentException">A name selects nothing.</exception>
    public static IReadOnlyList<BenchCase> Select(IReadOnlyList<string> names, bool full)
    {
        if (names.FirstOrDefault(name => !All.Any(each => Matches(each, name))) is { } unknown)
        {
            throw new ArgumentException($"No case is called '{unknown}'; --list shows them.");
        }

        return [.. All.Where(each => names.Count == 0 ? full || !each.OnlyFull : names.Any(name => Matches(each, name)))];
    }

    private static bool Matches(BenchCase each, string name) =>
        each.Name == name || each.Name.StartsWith(name.EndsWith('.') ? name : $"{name}.", StringComparison.Ordinal);
}
