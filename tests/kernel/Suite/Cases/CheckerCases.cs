using System.Diagnostics;

namespace BulkIn.Bench;

/// <summary>What all other cases lean on: the library between ours and libusb, and that another libusb can be named.</summary>
internal static class CheckerCases
{
    private const string Named = "/tmp/named-libusb.so";

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("checker.rules", "Every rule of the contract checker fires when it is broken, and only then; every order alters what it says.", Rules),
        new("checker.named-library", "The environment variable BULKINQUEUE_LIBUSB names the libusb that is loaded; exports that it lacks are done without.", NamedLibrary)
        {
            Rows = [new FaultRow(63)],
            Environment = new Dictionary<string, string> { ["BULKINQUEUE_LIBUSB"] = Named },
        },
    ];

    private static async Task Rules(CaseContext context)
    {
        // The checker asks for a call of every case; the self-test's are not this process's.
        _ = LibUsbDevice.List();
        var start = new ProcessStartInfo($"{Guest.Share}/shim/selftest") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["SHIM_LIBUSB"] = $"{Guest.Share}/shim/fake.so";
        start.Environment.Remove("SHIM_REPORT");
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        await CaseContext.Within(process.WaitForExitAsync(), "the self-test ends");
        string said = (await output).Trim(), complaint = await error;
        CaseContext.Figure(said);
        CaseContext.Require(process.ExitCode == 0, $"exit code {process.ExitCode}: {said} {complaint}");
        _ = context;
    }

    private static async Task NamedLibrary(CaseContext context)
    {
        File.Copy($"{Guest.Share}/shim/libusb-1.0.so.0", Named, overwrite: true);
        await using Rig rig = await Rig.GadgetAsync("in replies\ntask\nwrite replies 4000");
        await using BulkInQueue queue = rig.OpenQueue(depth: 4);
        CaseContext.Require((await queue.RecvAsync(new byte[Rig.BufferLength], CaseContext.Patience)).IsData, "nothing arrives");
        string[] loaded = [.. File.ReadLines("/proc/self/maps").Where(line => line.Contains("libusb", StringComparison.Ordinal)).Select(line => line.Split(' ')[^1]).Distinct()];
        CaseContext.Figure(string.Join(", ", loaded));
        CaseContext.Require(loaded.Contains(Named) && !loaded.Any(path => path.StartsWith(Guest.Share, StringComparison.Ordinal)), $"loaded are {string.Join(", ", loaded)}");
        _ = context;
    }
}
