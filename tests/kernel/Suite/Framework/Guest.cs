using System.Diagnostics;

namespace BulkIn.Bench;

/// <summary>The machine the suite runs on: kernel modules and the emulated bus.</summary>
internal static class Guest
{
    /// <summary>Where the host's share is mounted.</summary>
    public const string Share = "/run/bench";

    private const string SuperSpeedParameter = "/sys/module/dummy_hcd/parameters/is_super_speed";

    /// <summary>Gives the emulated buses a speed; nothing happens when they have it.</summary>
    /// <param name="speed">The speed.</param>
    /// <exception cref="IOException">The module cannot be loaded.</exception>
    public static void SetBusSpeed(BusSpeed speed)
    {
        bool super = speed == BusSpeed.Super;
        if (File.Exists(SuperSpeedParameter))
        {
            if (File.ReadAllText(SuperSpeedParameter).StartsWith('Y') == super)
            {
                return;
            }

            Run("modprobe", "-d", $"{Share}/linux", "-r", "dummy_hcd");
        }

        Run("modprobe", "-d", $"{Share}/linux", "dummy_hcd", "num=2", super ? "is_super_speed=1" : "is_high_speed=1");
    }

    /// <summary>Loads a kernel module.</summary>
    /// <exception cref="IOException">It cannot be loaded.</exception>
    public static void LoadModule(string name, params IEnumerable<string> parameters) => Run("modprobe", ["-d", $"{Share}/linux", name, .. parameters]);

    private static void Run(string command, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(command, arguments) { RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new IOException($"{command} {string.Join(' ', arguments)}: {error.Trim()}");
        }
    }
}
