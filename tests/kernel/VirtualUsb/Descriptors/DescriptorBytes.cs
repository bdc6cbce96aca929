using System.Text;

namespace BulkIn.VirtualUsb;

/// <summary>The bytes of a device's descriptors, as chapter 9 of the USB specification lays them out.</summary>
internal static class DescriptorBytes
{
    private const byte DeviceType = 1;
    private const byte ConfigurationType = 2;
    private const byte StringType = 3;
    private const byte InterfaceType = 4;
    private const byte EndpointType = 5;
    private const byte BosType = 15;
    private const byte CapabilityType = 16;
    private const byte CompanionType = 48;
    private const int ValueOffset = 5;

    /// <summary>The descriptor a GET_DESCRIPTOR asks for, or null when the device has none such.</summary>
    public static byte[]? Find(DeviceDescription device, byte type, byte index) => type switch
    {
        DeviceType => device.RawDevice.IsEmpty ? Device(device) : device.RawDevice.ToArray(),
        ConfigurationType when index == 0 => device.RawConfiguration.IsEmpty ? Configuration(device) : device.RawConfiguration.ToArray(),
        StringType => Text(device, index),
        BosType when device.Speed == UsbSpeed.Super => Bos(),
        _ => null,
    };

    /// <summary>The number by which the host chooses the one configuration.</summary>
    public static byte ConfigurationValue(DeviceDescription device) => device.RawConfiguration.Length > ValueOffset ? device.RawConfiguration.Span[ValueOffset] : (byte)1;

    private static byte[] Device(DeviceDescription device)
    {
        bool super = device.Speed == UsbSpeed.Super;
        ushort usb = (ushort)(super ? 0x0300 : 0x0200);
        // SuperSpeed gives the control endpoint's packet size as a power of two.
        byte packet = super ? (byte)9 : (byte)64;
        return
        [
            18, DeviceType, (byte)usb, (byte)(usb >> 8), 0, 0, 0, packet,
            (byte)device.VendorId, (byte)(device.VendorId >> 8), (byte)device.ProductId, (byte)(device.ProductId >> 8),
            (byte)device.Release, (byte)(device.Release >> 8),
            StringIndex(device.Manufacturer, 1), StringIndex(device.Product, 2), StringIndex(device.SerialNumber, 3), 1,
        ];
    }

    private static byte[] Configuration(DeviceDescription device)
    {
        List<byte> bytes = [];
        foreach (InterfaceDescription setting in device.Interfaces)
        {
            bytes.AddRange(
            [
                9, InterfaceType, setting.Number, setting.AlternateSetting, (byte)setting.Endpoints.Count, setting.Class, setting.Subclass, setting.Protocol, 0,
            ]);
            foreach (EndpointDescription endpoint in setting.Endpoints)
            {
                int packet = endpoint.PacketSize(device.Speed);
                byte interval = endpoint.Kind == EndpointKind.Interrupt ? endpoint.Interval : (byte)0;
                bytes.AddRange([7, EndpointType, endpoint.Address, (byte)endpoint.Kind, (byte)packet, (byte)(packet >> 8), interval]);
                if (device.Speed == UsbSpeed.Super)
                {
                    byte perInterval = endpoint.Kind == EndpointKind.Interrupt ? (byte)packet : (byte)0;
                    bytes.AddRange([6, CompanionType, (byte)endpoint.MaxBurst, 0, perInterval, 0]);
                }
            }
        }

        int total = bytes.Count + 9;
        int interfaces = device.Interfaces.Select(setting => setting.Number).Distinct().Count();
        // Self-powered (0xc0) and 0 mA, so that no hub's budget refuses the device.
        return [9, ConfigurationType, (byte)total, (byte)(total >> 8), (byte)interfaces, 1, 0, 0xc0, 0, .. bytes];
    }

    private static byte[] Bos() =>
    [
        5, BosType, 22, 0, 2,
        // USB 2.0 extension: link power management.
        7, CapabilityType, 2, 2, 0, 0, 0,
        // SuperSpeed: high and super speed, functional from high speed up, exit latencies 1 and 0.
        10, CapabilityType, 3, 0, 0x0c, 0, 2, 1, 0, 0,
    ];

    private static byte[]? Text(DeviceDescription device, byte index)
    {
        if (index == 0)
        {
            return [4, StringType, 0x09, 0x04];
        }

        string text = index switch
        {
            1 => device.Manufacturer,
            2 => device.Product,
            3 => device.SerialNumber,
            _ => "",
        };
        if (text.Length == 0)
        {
            return null;
        }

        byte[] characters = Encoding.Unicode.GetBytes(text);
        return [(byte)(2 + characters.Length), StringType, .. characters];
    }

    private static byte StringIndex(string text, byte index) => text.Length == 0 ? (byte)0 : index;
}
