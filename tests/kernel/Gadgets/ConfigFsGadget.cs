using System.Globalization;

namespace BulkIn.Gadgets;

/// <summary>A gadget in configfs: ids, strings, one configuration with one function. Bound to a device controller it is a device on the bus.</summary>
internal sealed class ConfigFsGadget : IDisposable
{
    private const string Root = "/sys/kernel/config/usb_gadget";

    private readonly string _directory;
    private readonly string _function;
    private bool _bound;

    /// <summary>Creates the gadget's directories; nothing is on the bus yet.</summary>
    /// <param name="name">A name of its own, which is its serial number too.</param>
    /// <param name="function">The function's directory: <c>ffs.NAME</c> or <c>SourceSink.NAME</c>.</param>
    /// <param name="vendorId">The vendor's id.</param>
    /// <param name="productId">The product's id.</param>
    public ConfigFsGadget(string name, string function, ushort vendorId, ushort productId)
    {
        _directory = $"{Root}/{name}";
        _function = function;
        Directory.CreateDirectory(_directory);
        Write("idVendor", string.Create(CultureInfo.InvariantCulture, $"0x{vendorId:x4}"));
        Write("idProduct", string.Create(CultureInfo.InvariantCulture, $"0x{productId:x4}"));
        Write("bcdUSB", "0x0300");
        Directory.CreateDirectory($"{_directory}/strings/0x409");
        Write("strings/0x409/manufacturer", "BulkInQueue");
        Write("strings/0x409/product", function);
        Write("strings/0x409/serialnumber", name);
        Directory.CreateDirectory($"{_directory}/functions/{function}");
        Directory.CreateDirectory($"{_directory}/configs/c.1");
    }

    /// <summary>Sets an attribute of the function, before <see cref="AddFunction"/>.</summary>
    public void SetFunctionAttribute(string attribute, int value) =>
        Write($"functions/{_function}/{attribute}", value.ToString(CultureInfo.InvariantCulture));

    /// <summary>Puts the function into the configuration.</summary>
    public void AddFunction() => File.CreateSymbolicLink($"{_directory}/configs/c.1/{_function}", $"{_directory}/functions/{_function}");

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

        Remove($"{_directory}/configs/c.1/{_function}", File.Delete);
        Remove($"{_directory}/configs/c.1", Directory.Delete);
        Remove($"{_directory}/functions/{_function}", Directory.Delete);
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
