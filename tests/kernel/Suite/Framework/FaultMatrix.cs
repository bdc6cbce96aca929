using System.Globalization;

namespace BulkIn.Bench;

/// <summary>The bench's half of the fault matrix: which rows its cases cover at which level, and with what result.</summary>
internal sealed class FaultMatrix
{
    private static readonly FaultLevels[] Levels = [FaultLevels.Kernel, FaultLevels.Shim];

    private readonly Dictionary<FaultRow, (int Passed, int Cases)> _results = [];

    /// <summary>What is wrong with the rows that cases name: those that the default suite leaves out, and those that nobody knows.</summary>
    /// <param name="cases">Every case there is.</param>
    public static IReadOnlyList<string> Flaws(IReadOnlyList<BenchCase> cases)
    {
        HashSet<FaultRow> covered = [.. cases.Where(each => !each.OnlyFull).SelectMany(each => each.Rows)];
        return
        [
            .. Required().Where(row => !covered.Contains(row)).Select(row => $"row {row.Number} ({FaultRows.Titles[row.Number]}) has no case at the level {Name(row.Level)}"),
            .. cases.SelectMany(each => each.Rows.Where(row => !FaultRows.Titles.ContainsKey(row.Number)).Select(row => $"{each.Name} names row {row.Number}, which is not listed")),
        ];
    }

    /// <summary>Counts a case that has run.</summary>
    public void Add(BenchCase each, bool passed)
    {
        foreach (FaultRow row in each.Rows)
        {
            (int before, int count) = _results.GetValueOrDefault(row);
            _results[row] = (before + (passed ? 1 : 0), count + 1);
        }
    }

    /// <summary>Row, level, result, cases passed, title: the same columns as the simulated level's report has.</summary>
    public IEnumerable<string> Lines() =>
        from row in Required().Union(_results.Keys).OrderBy(row => row.Number).ThenBy(row => row.Level)
        let result = _results.GetValueOrDefault(row)
        let verdict = result.Cases == 0 ? "not run" : result.Passed == result.Cases ? "passed" : "FAILED"
        select string.Create(CultureInfo.InvariantCulture, $"{row.Number,3}  {Name(row.Level),-9}  {verdict,-8} {result.Passed,3} of {result.Cases,3}  {FaultRows.Titles[row.Number]}");

    private static IEnumerable<FaultRow> Required() =>
        FaultRows.Titles.Keys.SelectMany(number => Levels.Where(level => FaultRows.LevelsOf(number).HasFlag(level)).Select(level => new FaultRow(number, level)));

    private static string Name(FaultLevels level) => level == FaultLevels.Shim ? "shim" : "kernel";
}
