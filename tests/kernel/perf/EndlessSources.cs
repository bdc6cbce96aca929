using System.Diagnostics;
using System.Globalization;
using BulkIn.VirtualUsb;

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
        IEnumerable<string> addresses = Enumerable.Range(1, endpoints).Select(static number => string.Create(CultureInfo.InvariantCulture, $"0x{0x80 + number:x2}"));
        IEnumerable<string> programs = silent ? [] : addresses.SelectMany(static address => new[] { $"on {address}", string.Create(CultureInfo.InvariantCulture, $"data {TransferLength}"), "repeat" });
        List<ScriptedFunction> functions = [];
        try
        {
            for (int device = 0; device < devices; device++)
            {
                string serialNumber = string.Create(CultureInfo.InvariantCulture, $"source-{device}");
                string[] script = ["device 17e9:6006 super", $"text - - {serialNumber}", .. addresses.Select(static address => $"endpoint {address}"), .. programs];
                functions.Add(ScriptedFunction.Plug(UsbScript.Parse(string.Join('\n', script))));
                await Console.Out.WriteLineAsync(serialNumber);
            }

            _ = await Console.In.ReadLineAsync();
        }
        finally
        {
            functions.ForEach(static function => function.Dispose());
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
