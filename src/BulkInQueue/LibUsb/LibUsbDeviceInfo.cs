using System.Globalization;

namespace BulkIn;

/// <summary>A device as it was when it was listed or opened.</summary>
/// <param name="VendorId">idVendor.</param>
/// <param name="ProductId">idProduct.</param>
/// <param name="SerialNumber">The serial number string, or <see langword="null"/> when the device has none or it could not be read (on Windows and macOS
/// reading it takes permission to open the device).</param>
/// <param name="BusNumber">The bus.</param>
/// <param name="BusPath">Bus and ports from the root hub on, for example <c>2-1.3</c>: where the device is plugged in, the same after it
/// was unplugged and plugged in again. The name of its directory in Linux's /sys/bus/usb/devices. Root hubs are <c>usb2</c>.</param>
/// <param name="Address">The address on the bus; another one after each plugging in.</param>
/// <param name="Speed">The negotiated speed.</param>
/// <param name="Interfaces">Every alternate setting of every interface of the active configuration; empty for an unconfigured device.</param>
public sealed record LibUsbDeviceInfo(
    ushort VendorId,
    ushort ProductId,
    string? SerialNumber,
    byte BusNumber,
    string BusPath,
    byte Address,
    LibUsbSpeed Speed,
    IReadOnlyList<LibUsbInterfaceInfo> Interfaces)
{
    /// <summary>How messages name the device, for example <c>17e9:6006 at 2-1.3</c>.</summary>
    /// <returns>The text.</returns>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{VendorId:x4}:{ProductId:x4} at {BusPath}");
}
