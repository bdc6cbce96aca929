using LibUsbDotNet.LibUsb;
using LibUsbDotNet.Main;

namespace BulkIn.Bench;

/// <summary>A device as a program of LibUsbDotNet's opens it: context, device, interface 0.</summary>
internal sealed class LibUsbDotNetHost : IDisposable
{
    private readonly UsbEndpointWriter? _writer;

    /// <summary>Opens a device.</summary>
    /// <param name="device">The device, which nobody else has open.</param>
    public LibUsbDotNetHost(SysfsDevice device)
    {
        Context = new UsbContext();
        Device = Context.Find(each => each is UsbDevice found && found.BusNumber == device.Bus && found.Address == device.Address)
            ?? throw new CaseFailedException($"LibUsbDotNet does not find bus {device.Bus} device {device.Address}");
        Device.Open();
        Device.ClaimInterface(0);
        if (device.Endpoints.Any(endpoint => endpoint.Kind == "Bulk" && (endpoint.Address & 0x80) == 0))
        {
            _writer = Device.OpenEndpointWriter((WriteEndpointID)device.BulkOut);
        }
    }

    public UsbContext Context { get; }

    public IUsbDevice Device { get; }

    /// <summary>Writes with LibUsbDotNet, blocking.</summary>
    public void Write(byte[] bytes)
    {
        LibUsbDotNet.Error error = _writer!.Write(bytes, (int)CaseContext.Patience.TotalMilliseconds, out int written);
        CaseContext.Require(error == LibUsbDotNet.Error.Success && written == bytes.Length, $"LibUsbDotNet's write ends in {error} with {written} bytes");
    }

    /// <summary>In the right order: after the queue, the device, then its context.</summary>
    public void Dispose()
    {
        if (!Context.IsDisposed)
        {
            Device.Dispose();
            Context.Dispose();
        }
    }
}
