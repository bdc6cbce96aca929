using Xunit;

namespace BulkIn;

/// <summary>What the README quotes is what compiles.</summary>
public class ReadmeTests
{
    [Fact]
    public void QuickStart_Readme_IsTheSamplesRegion()
    {
        string root = Root();
        string[] sample = File.ReadAllLines(Path.Combine(root, "samples", "QuickStart", "Program.cs"));
        IEnumerable<string> region = sample
            .SkipWhile(line => line.Trim() != "#region README").Skip(1)
            .TakeWhile(line => line.Trim() != "#endregion")
            .Select(line => line.Length > 4 ? line[4..] : line);

        string readme = File.ReadAllText(Path.Combine(root, "README.md"));

        Assert.NotEmpty(region);
        Assert.Contains("```csharp\n" + string.Join('\n', region) + "\n```", readme, StringComparison.Ordinal);
    }

    private static string Root()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "BulkInQueue.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("The tests run outside of the repository.");
    }
}
