namespace BulkIn.Bench;

/// <summary>One promise, checked on a real kernel, in a process of its own.</summary>
/// <param name="Name">Its name: the family, a dot, the variant.</param>
/// <param name="Promise">What it shows, in one sentence.</param>
/// <param name="Body">The check. It throws when the promise is broken.</param>
internal sealed record BenchCase(string Name, string Promise, Func<CaseContext, Task> Body)
{
    /// <summary>How long it may take under emulation on a busy machine before it counts as hung.</summary>
    public TimeSpan TimeLimit { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>The same with <c>--full</c>; default ten times <see cref="TimeLimit"/>.</summary>
    public TimeSpan? FullTimeLimit { get; init; }

    /// <summary>The bus speed it needs, or null for the one asked for on the command line.</summary>
    public BusSpeed? Speed { get; init; }

    /// <summary>True for a case that only runs with <c>--full</c> or when it is named.</summary>
    public bool OnlyFull { get; init; }

    /// <summary>True for a case that runs as long as <c>--minutes</c> says, which comes on top of <see cref="TimeLimit"/>.</summary>
    public bool RunsForMinutes { get; init; }

    /// <summary>Rows of the fault matrix it covers.</summary>
    public IReadOnlyList<FaultRow> Rows { get; init; } = [];

    /// <summary>Pieces of kernel log that the case provokes on purpose; anything else that looks like trouble fails it.</summary>
    public IReadOnlyList<string> ExpectedLog { get; init; } = [];

    /// <summary>Rules of libusb's that the case breaks on purpose, in the place of a user who does; see <see cref="ContractRule"/>. It fails when it does not.</summary>
    public IReadOnlyList<string> Breaks { get; init; } = [];

    /// <summary>True for a case that ends with transfers, handles or contexts that nobody freed, on purpose. It fails when there are none.</summary>
    public bool LeavesBehind { get; init; }

    /// <summary>Environment variables of its process beside those of the bench.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();
}
