using System.Globalization;

namespace BulkIn.Bench;

/// <summary>What the library between a case and libusb saw (<c>tests/kernel/shim/report.c</c>), over every process of the case.</summary>
/// <param name="Processes">Processes that reported.</param>
/// <param name="Calls">Calls of libusb.</param>
/// <param name="Submits">Submits among them.</param>
/// <param name="Completions">Completions told.</param>
/// <param name="Altered">Calls and completions altered on the case's orders.</param>
/// <param name="Left">What was left behind, in words; empty for nothing.</param>
/// <param name="Broken">Rules broken, and how often.</param>
internal sealed record ContractReport(int Processes, long Calls, long Submits, long Completions, long Altered, string Left, IReadOnlyDictionary<string, long> Broken)
{
    private static readonly string[] Kept = ["transfers", "handles", "contexts", "mappings"];

    /// <summary>Reads the lines that the processes wrote.</summary>
    public static ContractReport Read(IEnumerable<string> lines)
    {
        int processes = 0;
        var sums = new Dictionary<string, long>(StringComparer.Ordinal);
        var broken = new SortedDictionary<string, long>(StringComparer.Ordinal);
        foreach (string line in lines)
        {
            processes++;
            foreach (string[] field in line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(field => field.Split('=', 2)))
            {
                if (field[0] == "broken")
                {
                    foreach (string[] rule in field[1].Split(',', StringSplitOptions.RemoveEmptyEntries).Select(rule => rule.Split(':', 2)))
                    {
                        broken[rule[0]] = broken.GetValueOrDefault(rule[0]) + Number(rule[1]);
                    }
                }
                else
                {
                    sums[field[0]] = sums.GetValueOrDefault(field[0]) + Number(field[1]);
                }
            }
        }

        string left = string.Join(", ", Kept.Where(kind => sums.GetValueOrDefault(kind) > 0).Select(kind => $"{sums[kind]} {kind}"));
        return new ContractReport(
            processes, sums.GetValueOrDefault("calls"), sums.GetValueOrDefault("submits"), sums.GetValueOrDefault("completions"), sums.GetValueOrDefault("altered"), left, broken);
    }

    /// <summary>Why a case that ended well has not passed; null when it has.</summary>
    public string? Objection(BenchCase each)
    {
        if (Calls == 0)
        {
            return "no call of libusb went through the contract checker";
        }

        if (Broken.Keys.Except(each.Breaks).FirstOrDefault() is { } unasked)
        {
            return $"libusb's contract was broken: {unasked}";
        }

        if (each.Breaks.Except(Broken.Keys).FirstOrDefault() is { } kept)
        {
            return $"the case is to break the rule {kept}, and did not";
        }

        if (each.LeavesBehind != Left.Length > 0)
        {
            return each.LeavesBehind ? "the case is to leave something behind, and left nothing" : $"left behind at the end: {Left}";
        }

        return Altered == 0 && each.Rows.Any(row => row.Level == FaultLevels.Shim) ? "nothing was altered between the library and libusb, so the case shows nothing" : null;
    }

    /// <summary>The sum of two.</summary>
    public ContractReport Plus(ContractReport other)
    {
        var broken = new SortedDictionary<string, long>(Broken.ToDictionary(), StringComparer.Ordinal);
        foreach ((string rule, long times) in other.Broken)
        {
            broken[rule] = broken.GetValueOrDefault(rule) + times;
        }

        return new ContractReport(Processes + other.Processes, Calls + other.Calls, Submits + other.Submits, Completions + other.Completions, Altered + other.Altered, "", broken);
    }

    /// <summary>The figures, for the end of a run.</summary>
    public override string ToString()
    {
        string rules = Broken.Count == 0 ? "no rule was broken" : $"no rule was broken but on purpose: {string.Join(", ", Broken.Select(rule => string.Create(CultureInfo.InvariantCulture, $"{rule.Key} {rule.Value} times")))}";
        return string.Create(CultureInfo.InvariantCulture, $"{Calls} calls, {Submits} submits and {Completions} completions in {Processes} processes, {Altered} of them altered on purpose; {rules}");
    }

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
