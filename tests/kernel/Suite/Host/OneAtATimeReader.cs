namespace BulkIn.Bench;

/// <summary>
/// A host as they are usually written: libusb's synchronous calls, one transfer at a time. What the queue is compared with.
/// </summary>
internal sealed unsafe class OneAtATimeReader : IDisposable
{
    private readonly nint _context;
    private readonly nint _device;

    /// <summary>Opens a device and claims its interface 0.</summary>
    public OneAtATimeReader(SysfsDevice device)
    {
        _context = LibUsbCalls.Initialize();
        _device = LibUsbCalls.OpenAndClaim(_context, device);
    }

    /// <summary>Transfers and waits.</summary>
    /// <returns>Bytes transferred, or null when it timed out.</returns>
    public int? Transfer(byte endpoint, Span<byte> data, TimeSpan timeout)
    {
        const int TimedOut = -7;
        int transferred;
        fixed (byte* bytes = data)
        {
            // SAFETY: the span is pinned until the synchronous call returns.
            int result = LibUsbCalls.BulkTransfer(_device, endpoint, bytes, data.Length, &transferred, (uint)timeout.TotalMilliseconds);
            if (result == TimedOut)
            {
                return null;
            }

            LibUsbCalls.Check(result, "libusb_bulk_transfer");
        }

        return transferred;
    }

    public void Dispose()
    {
        LibUsbCalls.Close(_device);
        LibUsbCalls.Exit(_context);
    }
}
