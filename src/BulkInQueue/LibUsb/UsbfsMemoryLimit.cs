using System.Globalization;

namespace BulkIn.LibUsb;

/// <summary>Linux's limit for the USB buffers of all processes together, compared with what one queue needs.</summary>
internal sealed class UsbfsMemoryLimit
{
    /// <summary>Where the limit is read and set, in MiB; 0 means none.</summary>
    public const string ParameterPath = "/sys/module/usbcore/parameters/usbfs_memory_mb";

    // What the kernel books for each transfer beside its buffer: the usbfs record and URB, and a scatter-gather entry for each 16 KiB.
    private const long BytesPerTransfer = 400;
    private const long BytesPerSegment = 32;
    private const long Segment = 16 * 1024;

    private readonly string _path;

    private UsbfsMemoryLimit(string path, long? limit, long needed, string what)
    {
        _path = path;
        Limit = limit;
        Needed = needed;
        What = what;
    }

    /// <summary>The limit in bytes; null when there is none or it cannot be read.</summary>
    public long? Limit { get; }

    /// <summary>Bytes the transfers of the queue need when all are posted.</summary>
    public long Needed { get; }

    /// <summary>False when not even this queue alone fits.</summary>
    public bool Fits => Limit is null || Needed <= Limit;

    /// <summary>What needs it, for messages.</summary>
    private string What { get; }

    /// <summary>The figures in one sentence, or null when there is no limit to speak of.</summary>
    public string? Figures => Limit is null
        ? null
        : string.Create(CultureInfo.InvariantCulture, $"{What} need {Needed} bytes of the {Limit} ({Limit >> 20} MiB) that {_path} grants to all USB transfers of all processes together.");

    /// <summary>For buffers that the kernel copies: every posted transfer counts.</summary>
    public static UsbfsMemoryLimit ForPosted(int depth, int bufferLength, LibUsbPlatform platform, string path = ParameterPath)
    {
        long each = bufferLength + BytesPerTransfer + (BytesPerSegment * ((bufferLength + Segment - 1) / Segment));
        return new UsbfsMemoryLimit(path, Read(platform, path), depth * each, string.Create(CultureInfo.InvariantCulture, $"{depth} transfers of {bufferLength} bytes"));
    }

    /// <summary>For device memory: every mapping counts, posted or not, in whole pages, and each posted transfer its record.</summary>
    public static UsbfsMemoryLimit ForMapped(int depth, int buffers, int bufferLength, LibUsbPlatform platform, string path = ParameterPath)
    {
        long page = Environment.SystemPageSize;
        long needed = (buffers * ((bufferLength + page - 1) / page * page)) + (depth * BytesPerTransfer);
        return new UsbfsMemoryLimit(path, Read(platform, path), needed, string.Create(CultureInfo.InvariantCulture, $"{buffers} mapped buffers of {bufferLength} bytes"));
    }

    private static long? Read(LibUsbPlatform platform, string path)
    {
        if (platform != LibUsbPlatform.Linux)
        {
            return null;
        }

        try
        {
            return long.TryParse(File.ReadAllText(path).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out long mebibytes) && mebibytes is > 0 and < (1L << 40)
                ? mebibytes << 20
                : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
