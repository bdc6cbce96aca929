namespace BulkIn.Gadgets;

/// <summary>The device controllers of this machine, which on the bench are those of <c>dummy_hcd</c>.</summary>
public static class DeviceController
{
    private const string Directory = "/sys/class/udc";

    /// <summary>The names of the controllers that no gadget is bound to.</summary>
    public static IReadOnlyList<string> Free() =>
    [
        .. System.IO.Directory.GetDirectories(Directory)
            .Where(controller => File.ReadAllText($"{controller}/function").Length == 0)
            .Select(controller => Path.GetFileName(controller)!)
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>The first free controller.</summary>
    /// <exception cref="IOException">There is none.</exception>
    public static string FirstFree() =>
        Free() is [string first, ..] ? first : throw new IOException("No USB device controller is free: load dummy_hcd, or dispose of another gadget.");
}
