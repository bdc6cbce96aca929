using System.Globalization;
using LibUsbDotNet.Info;
using LibUsbDotNet.LibUsb;

namespace BulkIn;

/// <summary>Which interface and alternate setting an endpoint is in, and how large its packets are, by what LibUsbDotNet knows and the device says.</summary>
internal static class ActiveSetting
{
    // Bits 10 to 0 of wMaxPacketSize are the size (USB 2.0 table 9-13); those above say how many packets a microframe has.
    private const int SizeBits = 0x7FF;

    /// <summary>
    /// Adds interface and alternate setting to options that do not name them, and checks the buffer length against the endpoint's max packet size there. What cannot be told is left
    /// to the queue, which says what is wrong.
    /// </summary>
    /// <exception cref="ArgumentException">The buffer length is no positive multiple of the max packet size.</exception>
    public static BulkInQueueOptions Complete(BulkInQueueOptions options, IUsbDevice device, byte endpoint)
    {
        UsbInterfaceInfo[] settings = OfActiveConfiguration(device);
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

        UsbInterfaceInfo[] ofInterface = [.. settings.Where(s => s.Number == number)];
        options = options with { InterfaceNumber = number };
        if (options.AlternateSetting is null)
        {
            options = options with { AlternateSetting = Current(device, ofInterface, number) };
        }

        UsbEndpointInfo? described = ofInterface.FirstOrDefault(s => s.AlternateSetting == options.AlternateSetting)?.Endpoints.FirstOrDefault(e => e.EndpointAddress == endpoint);
        CheckBufferLength(options.BufferLength, endpoint, (described?.MaxPacketSize ?? 0) & SizeBits);
        return options;
    }

    private static UsbInterfaceInfo[] OfActiveConfiguration(IUsbDevice device)
    {
        try
        {
            int value = device.Configuration;
            return [.. device.Configs.Where(c => c.ConfigurationValue == value).SelectMany(static c => c.Interfaces)];
        }
        catch (UsbException)
        {
            // A device that cannot be asked, such as one just unplugged: opening the queue finds out why.
            return [];
        }
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

    private static void CheckBufferLength(int length, byte endpoint, int maxPacketSize)
    {
        if (maxPacketSize == 0 || (length > 0 && length % maxPacketSize == 0))
        {
            return;
        }

        long next = (Math.Max(length, 0L) / maxPacketSize + 1) * maxPacketSize;
        throw new ArgumentException(
            string.Create(
                CultureInfo.InvariantCulture,
                $"A buffer of {length} bytes is no positive multiple of endpoint 0x{endpoint:X2}'s max packet size of {maxPacketSize}: a full packet would overflow it. The next valid length is {next}."),
            nameof(length));
    }
}
