using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;

namespace BulkIn.Bench;

/// <summary>Programs that dispose of nothing: a leak until they end, never a crash, and the device is free afterwards.</summary>
internal static class ForgottenCases
{
    private const int Transfers = 20;

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        .. new[] { ("returns", "returns from Main with a receive pending and a lease out"), ("exits", "exits while another thread blocks in a receive"), ("collected", "drops everything and lets it be finalized") }.Select(
            way => new BenchCase($"forgotten.{way.Item1}", $"A process that {way.Item2} ends with exit code 0, and its device can be opened at once.", context => Process(context, way.Item1))
            {
                Rows = [new FaultRow(91)],
                LeavesBehind = true,
            }),
        new("forgotten.device", "A device without a queue that nobody disposes of is closed by its finalizer.", Device) { Rows = [new FaultRow(91)] },
    ];

    private static async Task Process(CaseContext context, string way)
    {
        await using Rig rig = await Rig.GadgetAsync($"in replies\ntask\nwrite replies 4000 {Transfers}\nawait\nwrite replies 4000\nrepeat");
        await rig.Host.DisposeAsync();
        var start = new ProcessStartInfo(Environment.ProcessPath!, ["--forget", way, Path.GetFileName(rig.Device.Directory), rig.In.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = System.Diagnostics.Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        await CaseContext.Within(process.WaitForExitAsync(), "the process ends");
        string said = (await output).Trim(), complaint = await error;
        CaseContext.Figure($"exit code {process.ExitCode}; {said}");
        CaseContext.Require(process.ExitCode == 0 && complaint.Length == 0, $"exit code {process.ExitCode}: {complaint}");
        TeardownCases.RequireNothingOutstanding(rig);
        await rig.ReopenAsync();
        await using BulkInQueue queue = rig.OpenQueue(depth: 8);
        rig.Gadget.Wake();
        CaseContext.Require((await queue.RecvAsync(new byte[Rig.BufferLength], CaseContext.Patience)).IsData, "the device opened afterwards sends nothing");
        _ = context;
    }

    private static async Task Device(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync("in silent");
        await rig.Host.DisposeAsync();
        ProcessResources before = ProcessResources.Now();
        Forget(rig);
        int open = ProcessResources.Now().UsbDescriptors;
        await CaseContext.Until(
            () =>
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
                return ProcessResources.Now().Descriptors == before.Descriptors;
            },
            "the finalizer closes the device, and its event thread exits the context");
        CaseContext.Figure($"{open} descriptors of USB devices, then none");
        CaseContext.Require(open > 0, "the device was not open, so the case shows nothing");
        _ = context;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Forget(Rig rig) => _ = Rig.OpenHost(rig.Device);
}
