namespace BulkIn.Bench;

/// <summary>A device of the bench, opened by the library, with its interface claimed.</summary>
internal sealed class HostDevice : IAsyncDisposable
{
    private HostDevice(LibUsbDevice device) => Device = device;

    /// <summary>The library's device.</summary>
    public LibUsbDevice Device { get; }

    /// <summary>Opens the gadget with a serial number and claims its interface 0.</summary>
    public static HostDevice Open(string serialNumber, ushort vendorId = Gadgets.FunctionFsDevice.VendorId, ushort productId = Gadgets.FunctionFsDevice.ProductId)
    {
        LibUsbDevice device = LibUsbDevice.Open(vendorId, productId, serialNumber);
        try
        {
            device.ClaimInterface(0);
            return new HostDevice(device);
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => Device.DisposeAsync();
}
