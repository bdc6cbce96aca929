using System.Runtime.CompilerServices;
using Xunit;

namespace BulkIn;

/// <summary>What the README quotes is what compiles.</summary>
public class ReadmeTests
{
    [Fact]
    public void QuickStart_Readme_IsTheSamplesRegion()
    {
        string root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", ".."));
        string[] sample = File.ReadAllLines(Path.Combine(root, "samples", "QuickStart", "Program.cs"));
        IEnumerable<string> region = sample
            .SkipWhile(line => line.Trim() != "#region README").Skip(1)
            .TakeWhile(line => line.Trim() != "#endregion")
            .Select(line => line.Length > 4 ? line[4..] : line);

        string readme = File.ReadAllText(Path.Combine(root, "README.md"));

        Assert.NotEmpty(region);
        Assert.Contains("```csharp\n" + string.Join('\n', region) + "\n```", readme, StringComparison.Ordinal);
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
