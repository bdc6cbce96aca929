using LibUsbDotNet.LibUsb;
using LibUsbDotNet.Main;

namespace BulkIn;

/// <summary>The code of this package's page and of docs/disposal-and-ownership.md: compiled here, compared by DocumentationTests.</summary>
internal static class ReadmeCode
{
    public static async Task QuickStartAsync(byte[] buffer)
    {
        using UsbContext context = new();
        using IUsbDevice device = context.Find(d => d.VendorId == 0x17e9 && d.ProductId == 0x6006);
        device.Open();
        device.ClaimInterface(0);
        await using BulkInQueue queue = device.OpenBulkInQueue(ReadEndpointID.Ep04, depth: 8, bufferLength: 16 * 1024);
        BulkInResult result = await queue.RecvAsync(buffer, TimeSpan.FromSeconds(1));
        Console.WriteLine(result);
    }

    public static async Task WithoutThePackageAsync(UsbContext context, IUsbDevice device)
    {
        await using (BulkInQueue queue = BulkInQueue.Open(device.DeviceHandle, 0x84, depth: 8, bufferLength: 16384))
        {
            await ReadAsync(queue);
        }

        device.Close();
        context.Dispose();
    }

    private static async Task ReadAsync(BulkInQueue queue) => await queue.RecvAsync(new byte[queue.BufferLength], TimeSpan.FromSeconds(1));
}
