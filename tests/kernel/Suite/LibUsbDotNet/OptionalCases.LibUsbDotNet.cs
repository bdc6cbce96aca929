namespace BulkIn.Bench;

/// <content>Compiled with WithLibUsbDotNet=true.</content>
internal static partial class OptionalCases
{
    static partial void AddLibUsbDotNet(List<BenchCase> cases) => cases.AddRange(LibUsbDotNetCases.All);
}
