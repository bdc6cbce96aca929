namespace BulkIn.Bench;

/// <summary>What this process holds of the system: file descriptors and mappings of USB devices, and memory.</summary>
/// <param name="Descriptors">Open descriptors.</param>
/// <param name="UsbDescriptors">Open descriptors of USB devices.</param>
/// <param name="UsbMappings">Mappings of USB devices.</param>
/// <param name="Threads">Threads.</param>
/// <param name="AnonymousKilobytes">Memory in use that is no file's: pages of programs come and go as they run.</param>
/// <param name="ManagedKilobytes">Objects of the runtime, at its last collection.</param>
internal readonly record struct ProcessResources(int Descriptors, int UsbDescriptors, int UsbMappings, int Threads, long AnonymousKilobytes, long ManagedKilobytes)
{
    private const string UsbDevices = "/dev/bus/usb/";

    /// <summary>Looks.</summary>
    public static ProcessResources Now()
    {
        List<string> files = [.. Directory.GetFiles("/proc/self/fd").Select(Target)];
        string[] status = File.ReadAllLines("/proc/self/status");
        return new ProcessResources(
            files.Count,
            files.Count(file => file.StartsWith(UsbDevices, StringComparison.Ordinal)),
            File.ReadLines("/proc/self/maps").Count(line => line.Contains(UsbDevices, StringComparison.Ordinal)),
            (int)Number(status, "Threads:"),
            Number(status, "RssAnon:"),
            GC.GetTotalMemory(forceFullCollection: false) / 1024);
    }

    /// <summary>The same without what the runtime is free to change: for comparing.</summary>
    public override string ToString() => $"{Descriptors} fds ({UsbDescriptors} of USB devices), {UsbMappings} USB mappings";

    private static string Target(string link)
    {
        try
        {
            return File.ResolveLinkTarget(link, returnFinalTarget: false)?.FullName ?? "";
        }
        catch (IOException)
        {
            // The descriptor through which the directory was listed is closed by now.
            return "";
        }
    }

    private static long Number(string[] status, string name) =>
        long.Parse(status.First(line => line.StartsWith(name, StringComparison.Ordinal)).Split((char[])['\t', ' '], StringSplitOptions.RemoveEmptyEntries)[1], System.Globalization.CultureInfo.InvariantCulture);
}
