using System.Globalization;

namespace BulkIn.Bench;

/// <summary>A device as the kernel lists it in sysfs.</summary>
/// <param name="Directory">Its directory.</param>
/// <param name="Bus">Its bus.</param>
/// <param name="Address">Its address on the bus.</param>
internal sealed record SysfsDevice(string Directory, int Bus, int Address)
{
    private const string Root = "/sys/bus/usb/devices";

    /// <summary>Waits for a device to be configured.</summary>
    /// <param name="serialNumber">Its serial number.</param>
    public static async Task<SysfsDevice> WaitAsync(string serialNumber)
    {
        SysfsDevice? found = null;
        await CaseContext.Until(() => (found = Find(serialNumber)) is not null, $"the kernel configures the device {serialNumber}");
        return found!;
    }

    /// <summary>The device with a serial number, if the kernel has configured one.</summary>
    public static SysfsDevice? Find(string serialNumber)
    {
        foreach (string directory in System.IO.Directory.GetDirectories(Root))
        {
            if (Read(directory, "serial") == serialNumber
                && int.TryParse(Read(directory, "bConfigurationValue"), out int configuration) && configuration > 0
                && EndpointsIn(directory).Count > 0)
            {
                return new SysfsDevice(
                    directory, int.Parse(Read(directory, "busnum"), CultureInfo.InvariantCulture), int.Parse(Read(directory, "devnum"), CultureInfo.InvariantCulture));
            }
        }

        return null;
    }

    /// <summary>The address of its first bulk IN endpoint in the active settings.</summary>
    public byte BulkIn => Endpoints.First(endpoint => endpoint.Kind == "Bulk" && (endpoint.Address & 0x80) != 0).Address;

    /// <summary>The address of its first bulk OUT endpoint.</summary>
    public byte BulkOut => Endpoints.First(endpoint => endpoint.Kind == "Bulk" && (endpoint.Address & 0x80) == 0).Address;

    /// <summary>Its endpoints.</summary>
    public IReadOnlyList<(byte Address, string Kind)> Endpoints => EndpointsIn(Directory);

    private static List<(byte Address, string Kind)> EndpointsIn(string device)
    {
        List<(byte, string)> endpoints = [];
        try
        {
            foreach (string setting in System.IO.Directory.GetDirectories(device, $"{Path.GetFileName(device)}:*"))
            {
                foreach (string endpoint in System.IO.Directory.GetDirectories(setting, "ep_*"))
                {
                    endpoints.Add((byte.Parse(Read(endpoint, "bEndpointAddress"), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture), Read(endpoint, "type")));
                }
            }
        }
        catch (DirectoryNotFoundException)
        {
            // Unplugged while looking.
            endpoints.Clear();
        }

        return endpoints;
    }

    private static string Read(string directory, string file)
    {
        try
        {
            return File.ReadAllText($"{directory}/{file}").Trim();
        }
        catch (IOException)
        {
            return "";
        }
    }
}
