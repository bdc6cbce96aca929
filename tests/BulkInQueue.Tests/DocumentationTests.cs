using System.Text.RegularExpressions;
using Xunit;

namespace BulkIn;

/// <summary>What the pages quote is what compiles, and what they link to is there.</summary>
public sealed partial class DocumentationTests
{
    private static readonly string Root = FindRoot();

    public static TheoryData<string> Pages => new(PageNames());

    [Fact]
    public void Pages_OfTheRepository_AreFound()
    {
        string[] pages = PageNames();

        Assert.All(
            ["README.md", "src/BulkInQueue/docs/consumers.md", "src/BulkInQueue.Testing/README.md", "src/BulkInQueue.LibUsbDotNet/README.md", "tests/kernel/README.md"],
            page => Assert.Contains(page, pages));
        Assert.True(pages.Sum(static page => Code(page).Count()) >= 15, "The pages' code is not found.");
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void Code_OfAPage_StandsInACompiledFile(string page)
    {
        foreach (string[] quoted in Code(page))
        {
            Assert.True(
                Compiled().Any(file => Stands(quoted, file)),
                $"{page}: no file below samples or tests has these lines:\n{string.Join('\n', quoted)}");
        }
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void Blocks_OfAPage_AreMarkedWhenTheyAreCode(string page)
    {
        foreach ((string language, string[] lines) in Blocks(page))
        {
            Assert.True(
                language == "csharp" || !Array.Exists(lines, static line => LooksLikeCode().IsMatch(line)),
                $"{page}: a block of code is not marked as csharp, so nothing compares it:\n{string.Join('\n', lines)}");
        }
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void Links_OfAPage_LeadSomewhere(string page)
    {
        string folder = Path.GetDirectoryName(Path.Combine(Root, page))!;
        foreach (Match link in RelativeLink().Matches(Text(page)))
        {
            string target = Path.Combine(folder, link.Groups["target"].Value);
            Assert.True(File.Exists(target) || Directory.Exists(target), $"{page} links to {link.Groups["target"].Value}, which is not there.");
        }

        foreach (Match reference in ReferenceLink().Matches(Text(page)))
        {
            Assert.True(
                Text(page).Contains($"\n[{reference.Groups["name"].Value}]: ", StringComparison.Ordinal),
                $"{page} has no line for the link [{reference.Groups["name"].Value}].");
        }
    }

    [Fact]
    public void TelemetryPage_EventsAndInstruments_AreTheSources()
    {
        string page = Text("src/BulkInQueue/docs/telemetry.md");
        string sources = string.Concat(Below("src/BulkInQueue", "*.cs").Select(static file => File.ReadAllText(Path.Combine(Root, file))));
        string[] events = [.. LogEvent().Matches(sources).Select(static match => $"| {match.Groups["id"].Value} | {match.Groups["level"].Value} |")];
        string[] instruments = [.. Instrument().Matches(sources).Select(static match => $"| `{match.Groups["name"].Value}` | ")];

        Assert.True(events.Length >= 14 && instruments.Length >= 10, $"The sources have {events.Length} messages and {instruments.Length} instruments: the patterns no longer find them.");
        Assert.All(events.Concat(instruments), line => Assert.Contains(line, page, StringComparison.Ordinal));
    }

    private static string[] PageNames() => ["README.md", .. Below("src", "*.md"), .. Below("tests", "*.md")];

    private static IEnumerable<string[]> Code(string page) => Blocks(page).Where(static block => block.Language == "csharp").Select(static block => block.Lines);

    private static IEnumerable<(string Language, string[] Lines)> Blocks(string page) =>
        Fence().Matches(Text(page)).Select(static match => (match.Groups["language"].Value, match.Groups["lines"].Value.TrimEnd('\n').Split('\n')));

    /// <summary>True when the lines follow each other there, at whatever depth.</summary>
    private static bool Stands(string[] quoted, string[] file)
    {
        for (int at = 0; at + quoted.Length <= file.Length; at++)
        {
            string indent = new(' ', Math.Max(0, Indent(file[at]) - Indent(quoted[0])));
            int same = 0;
            while (same < quoted.Length && file[at + same] == (quoted[same].Length == 0 ? "" : indent + quoted[same]))
            {
                same++;
            }

            if (same == quoted.Length)
            {
                return true;
            }
        }

        return false;
    }

    private static int Indent(string line) => line.Length - line.TrimStart(' ').Length;

    private static IEnumerable<string[]> Compiled() =>
        Below("samples", "*.cs").Concat(Below("tests", "*.cs")).Select(static file => File.ReadAllLines(Path.Combine(Root, file)));

    private static IEnumerable<string> Below(string folder, string pattern) =>
        Directory.EnumerateFiles(Path.Combine(Root, folder), pattern, SearchOption.AllDirectories)
            .Select(static file => Path.GetRelativePath(Root, file).Replace('\\', '/'))
            .Where(static file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal));

    private static string Text(string page) => File.ReadAllText(Path.Combine(Root, page)).ReplaceLineEndings("\n");

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "BulkInQueue.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("The tests run outside of the repository.");
    }

    [GeneratedRegex(@"^```(?<language>\w*)\n(?<lines>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex Fence();

    [GeneratedRegex(@"\bawait \w|\bcatch \(|\bnew \w+\(|;\s*(//.*)?$", RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex LooksLikeCode();

    [GeneratedRegex(@"\[LoggerMessage\((EventId = )?(?<id>\d+), (Level = )?LogLevel\.(?<level>\w+),", RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex LogEvent();

    [GeneratedRegex(@"CreateObservable\w+\(\s*""(?<name>[a-z_.]+)""", RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex Instrument();

    [GeneratedRegex(@"\]\((?<target>(?![a-z]+:|#)[^)#\s]+)", RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex RelativeLink();

    [GeneratedRegex(@"\]\[(?<name>\w+)\]", RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex ReferenceLink();
}
