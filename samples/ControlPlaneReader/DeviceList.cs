using System.Globalization;
using System.Text.Json;
using BulkIn;

namespace ControlPlaneReader;

/// <summary><c>--list</c>: what is attached, with the IN endpoints that could be read.</summary>
internal static class DeviceList
{
    public static async Task<int> RunAsync(bool json, TextWriter output, CancellationToken stop)
    {
        IReadOnlyList<LibUsbDeviceInfo> devices;
        try
        {
            devices = LibUsbDevice.List();
        }
        catch (Exception exception) when (exception is BulkInException or DllNotFoundException)
        {
            throw Problem.OfDevice(exception);
        }

        foreach (LibUsbDeviceInfo device in devices)
        {
            if (json)
            {
                await output.WriteLineAsync(JsonSerializer.Serialize(Describe(device), JsonLines.Default.DeviceLine));
            }
            else
            {
                Print(output, device);
            }
        }

        if (devices.Count == 0 && !json)
        {
            await output.WriteLineAsync("No USB device is attached.");
        }

        await output.FlushAsync(stop);
        return ExitCode.Done;
    }

    private static void Print(TextWriter output, LibUsbDeviceInfo device)
    {
        string serial = device.SerialNumber is { } number ? $", serial number {number}" : "";
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{device.VendorId:x4}:{device.ProductId:x4}  {device.BusPath,-10} {device.Speed}{serial}"));
        foreach (LibUsbInterfaceInfo setting in device.Interfaces)
        {
            foreach (LibUsbEndpointInfo endpoint in setting.Endpoints.Where(static endpoint => endpoint.IsIn))
            {
                output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"    interface {setting.Number} setting {setting.AlternateSetting}: {endpoint}"));
            }
        }
    }

    private static DeviceLine Describe(LibUsbDeviceInfo device) => new(
        "device",
        string.Create(CultureInfo.InvariantCulture, $"{device.VendorId:x4}:{device.ProductId:x4}"),
        device.BusPath,
        device.Speed.ToString(),
        device.SerialNumber,
        [
            .. device.Interfaces.SelectMany(
                static setting => setting.Endpoints.Where(static endpoint => endpoint.IsIn),
                static (setting, endpoint) => new EndpointLine(setting.Number, setting.AlternateSetting, endpoint.Address, endpoint.TransferType.ToString(), endpoint.MaxPacketSize)),
        ]);
}
