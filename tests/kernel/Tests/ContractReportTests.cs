using BulkIn.Bench;
using Xunit;

namespace BulkIn;

public sealed class ContractReportTests
{
    private const string Clean = "calls=10 submits=4 completions=4 cancels=1 altered=0 transfers=0 handles=0 contexts=0 mappings=0 broken=";
    private const string Broke = "calls=7 submits=2 completions=0 cancels=0 altered=3 transfers=2 handles=0 contexts=1 mappings=0 broken=close-posted:1,exit-open:2";

    private static readonly BenchCase Plain = new("some.case", "", _ => Task.CompletedTask);

    [Fact]
    public void Read_TwoProcesses_AddsThemUp()
    {
        ContractReport report = ContractReport.Read([Clean, Broke]);

        Assert.Equal((2, 17L, 6L, 4L, 3L), (report.Processes, report.Calls, report.Submits, report.Completions, report.Altered));
        Assert.Equal("2 transfers, 1 contexts", report.Left);
        Assert.Equal((1L, 2L), (report.Broken["close-posted"], report.Broken["exit-open"]));
    }

    [Fact]
    public void Objection_NothingReported_SaysThatTheCheckerWasNotThere() =>
        Assert.Contains("no call", ContractReport.Read([]).Objection(Plain), StringComparison.Ordinal);

    [Fact]
    public void Objection_CleanReport_IsNone() => Assert.Null(ContractReport.Read([Clean]).Objection(Plain));

    [Fact]
    public void Objection_BrokenAndNotDeclared_NamesTheRule() =>
        Assert.Contains("exit-open", ContractReport.Read([Broke]).Objection(Plain with { Breaks = ["close-posted"], LeavesBehind = true }), StringComparison.Ordinal);

    [Fact]
    public void Objection_DeclaredAndNotBroken_NamesTheRule() =>
        Assert.Contains("close-posted", ContractReport.Read([Clean]).Objection(Plain with { Breaks = ["close-posted"] }), StringComparison.Ordinal);

    [Fact]
    public void Objection_LeftBehind_SaysWhatUnlessDeclared()
    {
        BenchCase breaks = Plain with { Breaks = ["close-posted", "exit-open"] };

        Assert.Contains("2 transfers, 1 contexts", ContractReport.Read([Broke]).Objection(breaks), StringComparison.Ordinal);
        Assert.Null(ContractReport.Read([Broke]).Objection(breaks with { LeavesBehind = true }));
        Assert.NotNull(ContractReport.Read([Clean]).Objection(Plain with { LeavesBehind = true }));
    }

    [Fact]
    public void Objection_ARowAtTheShimAndNothingAltered_ShowsNothing() =>
        Assert.NotNull(ContractReport.Read([Clean]).Objection(Plain with { Rows = [new FaultRow(50, FaultLevels.Shim)] }));
}
