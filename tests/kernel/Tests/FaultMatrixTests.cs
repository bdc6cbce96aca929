using BulkIn.Bench;
using Xunit;

namespace BulkIn;

public sealed class FaultMatrixTests
{
    [Fact]
    public void Flaws_OfTheCatalogue_AreNone() => Assert.Empty(FaultMatrix.Flaws(Catalogue.All));

    [Fact]
    public void Flaws_NoCases_NamesEachRowAtEachLevelOfTheBench()
    {
        IReadOnlyList<string> flaws = FaultMatrix.Flaws([]);

        Assert.Contains(flaws, flaw => flaw.StartsWith("row 20 ", StringComparison.Ordinal) && flaw.EndsWith("level kernel", StringComparison.Ordinal));
        Assert.Contains(flaws, flaw => flaw.StartsWith("row 50 ", StringComparison.Ordinal) && flaw.EndsWith("level shim", StringComparison.Ordinal));
        Assert.DoesNotContain(flaws, flaw => flaw.StartsWith("row 44 ", StringComparison.Ordinal));
    }

    [Fact]
    public void Flaws_OnlyALongCaseCoversARow_TheDefaultSuiteLacksIt()
    {
        BenchCase[] cases = [Case(new FaultRow(20)) with { OnlyFull = true }];

        Assert.Contains(FaultMatrix.Flaws(cases), flaw => flaw.StartsWith("row 20 ", StringComparison.Ordinal));
    }

    [Fact]
    public void Flaws_AnUnknownRow_NamesTheCase() =>
        Assert.Contains(FaultMatrix.Flaws([Case(new FaultRow(6))]), flaw => flaw.StartsWith("some.case names row 6", StringComparison.Ordinal));

    [Fact]
    public void Lines_AFailedCaseAmongTwo_FailsTheRowAtItsLevelOnly()
    {
        var matrix = new FaultMatrix();
        matrix.Add(Case(new FaultRow(23)), passed: true);
        matrix.Add(Case(new FaultRow(23, FaultLevels.Shim)), passed: true);
        matrix.Add(Case(new FaultRow(23, FaultLevels.Shim)), passed: false);

        string[] lines = [.. matrix.Lines().Where(line => line.StartsWith(" 23 ", StringComparison.Ordinal))];

        Assert.Equal(2, lines.Length);
        Assert.StartsWith(" 23  kernel     passed     1 of   1  clearing the halt fails", lines[0], StringComparison.Ordinal);
        Assert.StartsWith(" 23  shim       FAILED     1 of   2  clearing the halt fails", lines[1], StringComparison.Ordinal);
    }

    private static BenchCase Case(FaultRow row) => new("some.case", "", _ => Task.CompletedTask) { Rows = [row] };
}
