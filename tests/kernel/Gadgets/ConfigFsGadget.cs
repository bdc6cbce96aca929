using System.Globalization;

namespace BulkIn.Gadgets;

/// <summary>A gadget in configfs: ids, strings, one configuration with its functions. Bound to a device controller it is a device on the bus.</summary>
internal sealed class ConfigFsGadget : IDisposable
{
    private const string Root = "/sys/kernel/config/usb_gadget";

    private readonly string _directory;
    private readonly IReadOnlyList<string> _functions;
    private bool _bound;

    /// <summary>Creates the gadget's directories; nothing is on the bus yet.</summary>
    /// <param name="name">A name of its own, which is its serial number too.</param>
    /// <param name="vendorId">The vendor's id.</param>
    /// <param name="productId">The product's id.</param>
    /// <param name="functions">The functions' directories: <c>ffs.NAME</c> or <c>SourceSink.NAME</c>.</param>
    public ConfigFsGadget(string name, ushort vendorId, ushort productId, params IReadOnlyList<string> functions)
    {
        _directory = $"{Root}/{name}";
        _functions = functions;
        Directory.CreateDirectory(_directory);
        Write("idVendor", string.Create(CultureInfo.InvariantCulture, $"0x{vendorId:x4}"));
        Write("idProduct", string.Create(CultureInfo.InvariantCulture, $"0x{productId:x4}"));
        Write("bcdUSB", "0x0300");
        Directory.CreateDirectory($"{_directory}/strings/0x409");
        Write("strings/0x409/manufacturer", "BulkInQueue");
        Write("strings/0x409/product", functions[0]);
        Write("strings/0x409/serialnumber", name);
        foreach (string function in functions)
        {
            Directory.CreateDirectory($"{_directory}/functions/{function}");
        }

        Directory.CreateDirectory($"{_directory}/configs/c.1");
    }

    /// <summary>Sets an attribute of the functions, before <see cref="AddFunctions"/>.</summary>
    public void SetFunctionAttribute(string attribute, int value)
    {
        foreach (string function in _functions)
        {
            Write($"functions/{function}/{attribute}", value.ToString(CultureInfo.InvariantCulture));
        }
    }

    /// <summary>Puts the functions into the configuration.</summary>
    public void AddFunctions()
    {
        foreach (string function in _functions)
        {
            File.CreateSymbolicLink($"{_directory}/configs/c.1/{function}", $"{_directory}/functions/{function}");
        }
    }

    /// <summary>Connects to a device controller: the host sees a device being plugged in.</summary>
    /// <param name="controller">A name from /sys/class/udc.</param>
    public void Bind(string controller)
    {
        Write("UDC", controller);
        _bound = true;
    }

    /// <summary>Disconnects: the host sees the device being unplugged.</summary>
    public void Unbind()
    {
        if (_bound)
        {
            _bound = false;
            Write("UDC", "\n");
        }
    }

    /// <summary>Unbinds and removes the directories, in the order configfs wants.</summary>
    public void Dispose()
    {
        try
        {
            Unbind();
        }
        catch (IOException)
        {
            // FunctionFS unbinds its gadget itself when its files are closed first.
        }

        foreach (string function in _functions)
        {
            Remove($"{_directory}/configs/c.1/{function}", File.Delete);
        }

        Remove($"{_directory}/configs/c.1", Directory.Delete);
        foreach (string function in _functions)
        {
            Remove($"{_directory}/functions/{function}", Directory.Delete);
        }

        Remove($"{_directory}/strings/0x409", Directory.Delete);
        Remove(_directory, Directory.Delete);
    }

    private static void Remove(string path, Action<string> remove)
    {
        if (Path.Exists(path))
        {
            remove(path);
        }
    }

    private void Write(string attribute, string value) => File.WriteAllText($"{_directory}/{attribute}", value);
}
