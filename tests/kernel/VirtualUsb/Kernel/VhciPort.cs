using System.Globalization;
using System.Net.Sockets;

namespace BulkIn.VirtualUsb;

/// <summary>A port of the kernel's virtual host controller (<c>vhci-hcd</c>), through its files in sysfs.</summary>
internal sealed class VhciPort
{
    private const string Controller = "/sys/devices/platform/vhci_hcd.0";
    private const string Devices = "/sys/bus/usb/devices";
    private const int Free = 4;
    private const int Used = 6;

    private readonly int _number;

    private VhciPort(int number) => _number = number;

    /// <summary>Attaches a device to a free port of its speed.</summary>
    /// <param name="kernelEnd">The socket the kernel is to talk to; it may be closed afterwards, the kernel holds its own reference.</param>
    /// <param name="speed">The device's speed, which decides the hub.</param>
    /// <param name="deviceId">The number the kernel repeats in every command.</param>
    /// <exception cref="IOException">The controller is missing, full or refused.</exception>
    public static VhciPort Attach(Socket kernelEnd, UsbSpeed speed, uint deviceId)
    {
        if (!Directory.Exists(Controller))
        {
            throw new IOException("This kernel has no virtual USB host controller: load it with 'modprobe vhci-hcd'.");
        }

        string hub = speed == UsbSpeed.Super ? "ss" : "hs";
        // Another process may take the port between looking and attaching, so each free one is tried.
        foreach (Row row in Rows().Where(row => row.State == Free && string.Equals(row.Hub, hub, StringComparison.Ordinal)))
        {
            try
            {
                string request = string.Create(CultureInfo.InvariantCulture, $"{row.Port} {(long)kernelEnd.Handle} {deviceId} {(int)speed}\n");
                File.WriteAllText($"{Controller}/attach", request);
                return new VhciPort(row.Port);
            }
            catch (IOException) when (StateOf(row.Port) != Free)
            {
            }
        }

        throw new IOException($"The virtual USB host controller has no free {hub} port.");
    }

    /// <summary>The device's directory in sysfs once the kernel has read its descriptors and configured it, or null until then.</summary>
    public string? FindDevice()
    {
        foreach (Row row in Rows())
        {
            if (row.Port == _number && row.State == Used && row.BusId != "0-0")
            {
                string directory = $"{Devices}/{row.BusId}";
                // The value appears with the configuration's interfaces, which are what a driver opens.
                return File.Exists($"{directory}/bConfigurationValue") && ReadNumber($"{directory}/bConfigurationValue") > 0 ? directory : null;
            }
        }

        return null;
    }

    /// <summary>True once the port can be used again: the kernel has taken the device away.</summary>
    public bool IsFree => StateOf(_number) == Free;

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

    private static int StateOf(int port) => Rows().FirstOrDefault(row => row.Port == port).State;

    // hub port sta spd dev      sockfd local_busid
    // hs  0000 004 000 00000000 000000 0-0
    private static IEnumerable<Row> Rows()
    {
        foreach (string line in File.ReadLines($"{Controller}/status").Skip(1))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 7)
            {
                yield return new Row(
                    words[0], int.Parse(words[1], CultureInfo.InvariantCulture), int.Parse(words[2], CultureInfo.InvariantCulture), words[6]);
            }
        }
    }

    private readonly record struct Row(string Hub, int Port, int State, string BusId);
}
