using System.Diagnostics;

namespace BulkIn;

/// <summary>
/// The copies of libusb in this process. LibUsbDotNet looks beside the application first and this library by the platform's name, so they may find different files, and a
/// handle is only valid in the copy that made it.
/// </summary>
internal static class LoadedLibUsb
{
    private const string PathVariable = "BULKINQUEUE_LIBUSB";

    /// <summary>The files they were loaded from; empty where the system does not list a process's modules.</summary>
    public static string[] Paths()
    {
        using Process process = Process.GetCurrentProcess();
        string? chosen = Environment.GetEnvironmentVariable(PathVariable);
        return
        [
            .. process.Modules.Cast<ProcessModule>()
                .Select(static module => module.FileName)
                .Where(path => Path.GetFileName(path).StartsWith("libusb-1.0", StringComparison.OrdinalIgnoreCase) || string.Equals(path, chosen, StringComparison.Ordinal))
                .Distinct(StringComparer.Ordinal),
        ];
    }

    /// <exception cref="InvalidOperationException">There are several.</exception>
    public static void CheckSingle(string[] paths)
    {
        if (paths.Length > 1)
        {
            throw new InvalidOperationException(
                $"Several copies of libusb are loaded, and a device handle is only valid in the copy that made it: {string.Join(", ", paths)}. Set the environment variable {PathVariable} to the path of the one that LibUsbDotNet uses, or remove the others.");
        }
    }
}
