using Xunit;

namespace BulkIn.Testing;

public sealed class TestingReadmeTests
{
    [Theory]
    [InlineData("PowerMeter.cs", "public sealed class PowerMeter(")]
    [InlineData("PowerMeterTests.cs", "public sealed class PowerMeterTests")]
    public void Readme_ItsDriverAndTest_AreTheCompiledSample(string file, string firstWords)
    {
        string readme = Read("README.md");
        string sample = Read(file);

        string quoted = readme[readme.IndexOf(firstWords, StringComparison.Ordinal)..];
        quoted = quoted[..quoted.IndexOf("```", StringComparison.Ordinal)];
        string compiled = sample[sample.IndexOf(firstWords, StringComparison.Ordinal)..];

        Assert.Equal(compiled, quoted);
    }

    private static string Read(string name) => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "TestingReadme", name));
}
