namespace BulkIn.Bench;

/// <summary>Cases that are only built where what they need is.</summary>
internal static partial class OptionalCases
{
    /// <summary>What a run without LibUsbDotNet's cases says, so that nobody takes them for passed.</summary>
    public const string WithoutLibUsbDotNet = "SKIPPED libusbdotnet.*: not built, because LibUsbDotNet 3 (a prerelease) is only asked for with WithLibUsbDotNet=true";

    public static IReadOnlyList<BenchCase> All { get; } = Collect();

    /// <summary>True when LibUsbDotNet's cases are there.</summary>
    public static bool HasLibUsbDotNet => All.Any(each => each.Name.StartsWith("libusbdotnet.", StringComparison.Ordinal));

    private static List<BenchCase> Collect()
    {
        List<BenchCase> cases = [.. PackageCases.All];
        AddLibUsbDotNet(cases);
        return cases;
    }

    static partial void AddLibUsbDotNet(List<BenchCase> cases);
}
