using System.Diagnostics;
using BulkIn.VirtualUsb;

namespace BulkIn.Bench;

/// <summary>A program outside of the tree, built from the packed packages alone: what tests/package/run --bench leaves beside the suite.</summary>
internal static class PackageCases
{
    private static readonly string Consumer = Path.Combine(AppContext.BaseDirectory, "..", "consumer", "Consumer");

    public static IReadOnlyList<BenchCase> All { get; } = File.Exists(Consumer)
        ? [new("package.consumer", "A program built from the packed packages alone reads a device in every way there is.", Read)]
        : [];

    private static async Task Read(CaseContext context)
    {
        using ScriptedFunction function = ScriptedFunction.Plug(UsbScript.Parse(
            $"device 17e9:6006 {(context.Speed == BusSpeed.Super ? "super" : "high")}\nendpoint 0x02\nendpoint 0x84\non 0x84\ndata 4000\nrepeat"));
        var start = new ProcessStartInfo(Consumer, ["--device", Path.GetFileName(function.Device.SysfsPath)]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process program = Process.Start(start)!;
        Task<string> output = program.StandardOutput.ReadToEndAsync(), error = program.StandardError.ReadToEndAsync();
        await CaseContext.Within(program.WaitForExitAsync(), "the program ends");
        CaseContext.Figure((await output).Trim());
        string errors = await error;
        CaseContext.Require(program.ExitCode == 0, $"it ended with {program.ExitCode}: {errors}");
    }
}
