using System.Globalization;
using System.Net.Sockets;

namespace BulkIn.VirtualUsb;

/// <summary>A port of the kernel's virtual host controller (<c>vhci-hcd</c>, its first instance), through its files in sysfs.</summary>
internal sealed class VhciPort : IHostPort
{
    private const string Controller = "/sys/devices/platform/vhci_hcd.0";
    private const string Devices = "/sys/bus/usb/devices";
    private const int Free = 4;
    private const int Used = 6;
    private static uint s_attached;

    private readonly int _number;
    private readonly uint _deviceId;

    private VhciPort(int number, uint deviceId)
    {
        _number = number;
        _deviceId = deviceId;
    }

    /// <inheritdoc/>
    public bool IsFree => !Rows().Any(IsOurs);

    /// <summary>Attaches a device to a free port of its speed.</summary>
    /// <param name="kernelEnd">The socket the kernel is to talk to. It is closed here: the kernel holds a reference of its own.</param>
    /// <param name="speed">The device's speed, which decides the hub.</param>
    /// <exception cref="IOException">The controller is missing or full, or the user may not use it.</exception>
    public static VhciPort Attach(Socket kernelEnd, UsbSpeed speed)
    {
        using (kernelEnd)
        {
            if (!Directory.Exists(Controller))
            {
                throw new IOException("This kernel has no virtual USB host controller: load it with 'modprobe vhci-hcd'.");
            }

            // The number tells this device from what another process attaches to the port afterwards.
            uint deviceId = ((uint)Environment.ProcessId << 10) | (Interlocked.Increment(ref s_attached) & 0x3ff);
            string hub = speed == UsbSpeed.Super ? "ss" : "hs";
            // Another process may take the port between looking and attaching, so each free one is tried.
            foreach (Row row in Rows().Where(row => row.State == Free && string.Equals(row.Hub, hub, StringComparison.Ordinal)))
            {
                if (TryAttach(row.Port, kernelEnd, speed, deviceId))
                {
                    return new VhciPort(row.Port, deviceId);
                }
            }

            throw new IOException($"The virtual USB host controller has no free {hub} port: dispose of another virtual device.");
        }
    }

    /// <inheritdoc/>
    public string? FindDevice()
    {
        Row ours = Rows().FirstOrDefault(row => IsOurs(row) && row.State == Used && row.BusId != "0-0");
        string directory = $"{Devices}/{ours.BusId}";
        // The value appears with the configuration's interfaces, which are what a driver opens.
        return ours.BusId is not null && ReadNumber($"{directory}/bConfigurationValue") > 0 ? directory : null;
    }

    /// <summary>A number from a file in sysfs; 0 when the file is empty or gone.</summary>
    public static int ReadNumber(string file)
    {
        try
        {
            return int.TryParse(File.ReadAllText(file).AsSpan().Trim(), CultureInfo.InvariantCulture, out int value) ? value : 0;
        }
        catch (IOException)
        {
            return 0;
        }
    }

    // A port is not free as long as the row says that the kernel still has our device there.
    private bool IsOurs(Row row) => row.Port == _number && row.State != Free && row.DeviceId == _deviceId;

    private static bool TryAttach(int port, Socket kernelEnd, UsbSpeed speed, uint deviceId)
    {
        try
        {
            File.WriteAllText($"{Controller}/attach", string.Create(CultureInfo.InvariantCulture, $"{port} {(long)kernelEnd.Handle} {deviceId} {(int)speed}\n"));
            return true;
        }
        catch (UnauthorizedAccessException exception)
        {
            throw new IOException("Attaching a device to the virtual USB host controller needs root.", exception);
        }
        catch (IOException) when (Rows().Any(row => row.Port == port && row.State != Free))
        {
            return false;
        }
    }

    // hub port sta spd dev      sockfd local_busid
    // hs  0000 004 000 00000000 000000 0-0
    private static List<Row> Rows()
    {
        try
        {
            return [.. File.ReadLines($"{Controller}/status").Skip(1).Select(Row.Parse).Where(row => row.BusId is not null)];
        }
        catch (IOException)
        {
            // The module was unloaded, and with it every device.
            return [];
        }
    }

    private readonly record struct Row(string Hub, int Port, int State, uint DeviceId, string BusId)
    {
        public static Row Parse(string line) => line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [string hub, string port, string state, _, string device, _, string bus]
            ? new Row(hub, int.Parse(port, CultureInfo.InvariantCulture), int.Parse(state, CultureInfo.InvariantCulture), uint.Parse(device, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture), bus)
            : default;
    }
}
