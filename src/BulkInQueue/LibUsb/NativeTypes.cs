using System.Runtime.InteropServices;

namespace BulkIn.LibUsb;

// The structures of libusb-1.0/libusb.h that this library reads or writes, in natural alignment, so that one declaration is right for 32 and 64
// bits. A test compares every offset and size with the installed header. Opaque pointers (context, device, device handle) are nint.

/// <summary>struct libusb_transfer, without the isochronous packets behind it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeTransfer
{
    public nint DevHandle;
    public byte Flags;
    public byte Endpoint;
    public byte Type;
    public uint Timeout;
    public int Status;
    public int Length;
    public int ActualLength;
    public delegate* unmanaged<NativeTransfer*, void> Callback;
    public nint UserData;
    public byte* Buffer;
    public int NumIsoPackets;
}

/// <summary>struct libusb_device_descriptor.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NativeDeviceDescriptor
{
    public byte Length;
    public byte DescriptorType;
    public ushort UsbVersion;
    public byte DeviceClass;
    public byte DeviceSubClass;
    public byte DeviceProtocol;
    public byte MaxPacketSize0;
    public ushort VendorId;
    public ushort ProductId;
    public ushort DeviceVersion;
    public byte ManufacturerIndex;
    public byte ProductIndex;
    public byte SerialNumberIndex;
    public byte NumConfigurations;
}

/// <summary>struct libusb_config_descriptor.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeConfigDescriptor
{
    public byte Length;
    public byte DescriptorType;
    public ushort TotalLength;
    public byte NumInterfaces;
    public byte ConfigurationValue;
    public byte ConfigurationIndex;
    public byte Attributes;
    public byte MaxPower;
    public NativeInterface* Interfaces;
    public byte* Extra;
    public int ExtraLength;
}

/// <summary>struct libusb_interface: the alternate settings of one interface.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeInterface
{
    public NativeInterfaceDescriptor* AlternateSettings;
    public int NumAlternateSettings;
}

/// <summary>struct libusb_interface_descriptor: one alternate setting.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeInterfaceDescriptor
{
    public byte Length;
    public byte DescriptorType;
    public byte InterfaceNumber;
    public byte AlternateSetting;
    public byte NumEndpoints;
    public byte InterfaceClass;
    public byte InterfaceSubClass;
    public byte InterfaceProtocol;
    public byte InterfaceIndex;
    public NativeEndpointDescriptor* Endpoints;
    public byte* Extra;
    public int ExtraLength;
}

/// <summary>struct libusb_endpoint_descriptor.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeEndpointDescriptor
{
    public byte Length;
    public byte DescriptorType;
    public byte EndpointAddress;
    public byte Attributes;
    public ushort MaxPacketSize;
    public byte Interval;
    public byte Refresh;
    public byte SynchAddress;
    public byte* Extra;
    public int ExtraLength;
}
