using LibUsbDotNet.Info;
using LibUsbDotNet.LibUsb;

namespace BulkIn;

/// <summary>Which interface and alternate setting an endpoint is in, by what LibUsbDotNet knows and the device says.</summary>
internal static class ActiveSetting
{
    /// <summary>Adds interface and alternate setting to options that do not name them. What cannot be told is left to the queue, which says what is wrong.</summary>
    public static BulkInQueueOptions Complete(BulkInQueueOptions options, IUsbDevice device, byte endpoint)
    {
        int value = device.Configuration;
        UsbInterfaceInfo[] settings = [.. device.Configs.Where(c => c.ConfigurationValue == value).SelectMany(static c => c.Interfaces)];
        int[] numbers =
        [
            .. settings
                .Where(s => (options.InterfaceNumber is null || s.Number == options.InterfaceNumber) && s.Endpoints.Any(e => e.EndpointAddress == endpoint))
                .Select(static s => s.Number)
                .Distinct(),
        ];
        if (numbers is not [int number])
        {
            return options;
        }

        options = options with { InterfaceNumber = number };
        return options.AlternateSetting is null
            ? options with { AlternateSetting = Current(device, [.. settings.Where(s => s.Number == number)], number) }
            : options;
    }

    private static int? Current(IUsbDevice device, UsbInterfaceInfo[] settings, int number)
    {
        if (settings is [UsbInterfaceInfo only])
        {
            return only.AlternateSetting;
        }

        try
        {
            device.GetAltInterfaceSetting((byte)number, out byte current);
            return current;
        }
        catch (UsbException)
        {
            // A device may stall the request: setting 0 is then taken first.
            return null;
        }
    }
}
