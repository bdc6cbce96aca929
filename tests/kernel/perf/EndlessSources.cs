using System.Diagnostics;
using System.Globalization;
using BulkIn.Gadgets;

namespace BulkIn.Bench.Perf;

/// <summary>Devices with several endpoints that never stop sending, or never begin, in a process of their own: what they use must not count as the library's.</summary>
internal sealed class EndlessSources : IDisposable
{
    private const int TransferLength = 16 * 1024;
    private readonly Process _process;

    private EndlessSources(Process process, IReadOnlyList<SysfsDevice> devices)
    {
        _process = process;
        Devices = devices;
    }

    public IReadOnlyList<SysfsDevice> Devices { get; }

    /// <summary>Starts the process, and waits until the host has the devices.</summary>
    public static async Task<EndlessSources> StartAsync(int devices, int endpoints, bool silent)
    {
        string[] command = ["--sources", .. new[] { devices, endpoints }.Select(static number => number.ToString(CultureInfo.InvariantCulture)), silent ? "silent" : "sending"];
        Process process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, command) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        List<SysfsDevice> found = [];
        for (int device = 0; device < devices; device++)
        {
            string serialNumber = await process.StandardOutput.ReadLineAsync() ?? throw new CaseFailedException("the devices' process died");
            found.Add(await SysfsDevice.WaitAsync(serialNumber));
        }

        return new EndlessSources(process, found);
    }

    /// <summary>The process itself: says the serial numbers, and goes when its input ends.</summary>
    public static async Task<int> ServeAsync(int devices, int endpoints, bool silent)
    {
        IEnumerable<string> names = Enumerable.Range(0, endpoints).Select(static index => string.Create(CultureInfo.InvariantCulture, $"source{index}"));
        IEnumerable<string> tasks = silent ? ["task", "await"] : names.SelectMany(static name => new[] { "task", string.Create(CultureInfo.InvariantCulture, $"write {name} {TransferLength}"), "repeat" });
        string script = string.Join('\n', [.. names.Select(static name => $"in {name}"), .. tasks]);
        List<ScriptedGadget> gadgets = [];
        try
        {
            for (int device = 0; device < devices; device++)
            {
                gadgets.Add(new ScriptedGadget(GadgetScript.Parse(script)));
                await Console.Out.WriteLineAsync(gadgets[^1].Device.SerialNumber);
            }

            _ = await Console.In.ReadLineAsync();
        }
        finally
        {
            gadgets.ForEach(static gadget => gadget.Dispose());
        }

        return 0;
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        if (!_process.WaitForExit(TimeSpan.FromSeconds(60)))
        {
            _process.Kill();
        }

        _process.Dispose();
    }
}
