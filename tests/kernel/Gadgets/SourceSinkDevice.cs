namespace BulkIn.Gadgets;

/// <summary>Linux's own SourceSink function: a bulk IN endpoint with endless data and a bulk OUT endpoint that takes everything. For throughput.</summary>
public sealed class SourceSinkDevice : IDisposable
{
    /// <summary>The pattern in which each byte is its offset in the packet modulo 63.</summary>
    public const int CountingPattern = 1;

    private const int CountingModulus = 63;
    private static int s_created;
    private readonly ConfigFsGadget _gadget;

    /// <summary>Creates the device and plugs it in.</summary>
    /// <param name="bufferLength">Bytes of each of the device's own transfers.</param>
    /// <param name="queueLength">Transfers the device keeps queued for each endpoint.</param>
    /// <param name="pattern">0: zeros; 1: each byte is its offset in the packet modulo 63; 2: untouched memory.</param>
    public SourceSinkDevice(int bufferLength = 64 * 1024, int queueLength = 32, int pattern = 2)
    {
        SerialNumber = $"ss-{Environment.ProcessId}-{Interlocked.Increment(ref s_created)}";
        _gadget = new ConfigFsGadget(SerialNumber, $"SourceSink.{SerialNumber}", FunctionFsDevice.VendorId, FunctionFsDevice.ProductId);
        _gadget.SetFunctionAttribute("bulk_buflen", bufferLength);
        _gadget.SetFunctionAttribute("bulk_qlen", queueLength);
        _gadget.SetFunctionAttribute("pattern", pattern);
        _gadget.AddFunction();
        _gadget.Bind(DeviceController.FirstFree());
    }

    /// <summary>Its serial number, by which the host tells it from others.</summary>
    public string SerialNumber { get; }

    /// <summary>The first byte that <see cref="CountingPattern"/> does not have at its place, or -1.</summary>
    /// <param name="bytes">What was received, from the beginning of a packet on.</param>
    /// <param name="packetSize">The endpoint's max packet size.</param>
    public static int FirstForeignByte(ReadOnlySpan<byte> bytes, int packetSize)
    {
        for (int index = 0; index < bytes.Length; index++)
        {
            if (bytes[index] != index % packetSize % CountingModulus)
            {
                return index;
            }
        }

        return -1;
    }

    /// <summary>Unplugs and removes it.</summary>
    public void Dispose() => _gadget.Dispose();
}
