using BulkIn.Backends;

namespace BulkIn.Testing;

/// <summary>
/// Reads USB captures recorded on Linux (usbmon by tcpdump, dumpcap or Wireshark), event by event: classic pcap in both byte orders with
/// microseconds or nanoseconds, and pcapng with any number of sections and interfaces; link types 189 (USB_LINUX) and 220
/// (USB_LINUX_MMAPPED). Memory is bounded by the longest record, whatever the file's length fields claim.
/// </summary>
/// <remarks>Whatever the bytes, reading ends: in an event, at the end of the file, or in a <see cref="CaptureFormatException"/>.</remarks>
public sealed class UsbCaptureReader : IDisposable
{
    /// <summary>The longest record believed: 128 MiB, libpcap's own limit for USB.</summary>
    public const int MaximumRecordLength = 128 * 1024 * 1024;

    private const int SetupOffset = 40;
    private const int IsochronousDescriptorLength = 16;

    private readonly Stream _stream;
    private readonly bool _leaveOpen;
    private readonly CaptureSource _source;
    private readonly ICaptureContainer _container;

    /// <summary>Starts to read a capture: its file header is read at once.</summary>
    /// <param name="stream">The file's bytes; read forwards only, from its current position.</param>
    /// <param name="leaveOpen">True: <see cref="Dispose"/> leaves the stream to its owner. After an exception from here it is left to the owner in any case.</param>
    /// <exception cref="CaptureFormatException">The bytes are no pcap or pcapng file, or its link type is not USB.</exception>
    /// <exception cref="ArgumentNullException"><paramref name="stream"/> is null.</exception>
    public UsbCaptureReader(Stream stream, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(stream);
        _stream = stream;
        _leaveOpen = leaveOpen;
        _source = new CaptureSource(stream);
        _container = OpenContainer(_source);
    }

    /// <summary>Opens a capture file.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The reader, which owns the file.</returns>
    /// <exception cref="CaptureFormatException">The file is no pcap or pcapng file, or its link type is not USB.</exception>
    /// <exception cref="IOException">The file cannot be opened or read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a directory.</exception>
    public static UsbCaptureReader Open(string path)
    {
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 64 * 1024, FileOptions.SequentialScan);
        try
        {
            return new UsbCaptureReader(stream);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Bytes of the capture consumed so far.</summary>
    public long Position => _source.Position;

    /// <summary>Reads the next event.</summary>
    /// <returns>The event, whose data is valid until the next call, or <see langword="null"/> at the end of the file.</returns>
    /// <exception cref="CaptureFormatException">The file is damaged or cut off here. Reading on has no meaning.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public UsbCaptureEvent? Read() => _container.TryRead(out CaptureRecord record) ? Parse(record) : null;

    /// <summary>Closes the file.</summary>
    public void Dispose()
    {
        if (!_leaveOpen)
        {
            _stream.Dispose();
        }
    }

    private static ICaptureContainer OpenContainer(CaptureSource source)
    {
        ReadOnlySpan<byte> magicBytes = source.Read(4, "the magic number of a pcap or pcapng file", 0).Span;
        uint magic = source.U32(magicBytes);
        if (magic == PcapNgContainer.SectionHeaderBlock)
        {
            return new PcapNgContainer(source);
        }

        if (magic is PcapContainer.MicrosecondMagic or PcapContainer.NanosecondMagic)
        {
            return new PcapContainer(source, magic);
        }

        source.IsBigEndian = true;
        uint swapped = source.U32(magicBytes);
        if (swapped is PcapContainer.MicrosecondMagic or PcapContainer.NanosecondMagic)
        {
            return new PcapContainer(source, swapped);
        }

        throw new CaptureFormatException(0, $"The file begins with {Convert.ToHexString(magicBytes)}: neither a pcap nor a pcapng magic number");
    }

    private UsbCaptureEvent Parse(CaptureRecord record)
    {
        ReadOnlySpan<byte> bytes = record.Bytes.Span;
        int headerLength = record.LinkType == UsbLinkType.UsbLinuxMmapped ? 64 : 48;
        if (bytes.Length < headerLength)
        {
            throw new CaptureFormatException(record.Start, $"The record has {bytes.Length} bytes; the USB header of link type {record.LinkType} needs {headerLength}");
        }

        UsbCaptureEventKind kind = bytes[8] switch
        {
            (byte)'S' => UsbCaptureEventKind.Submission,
            (byte)'C' => UsbCaptureEventKind.Completion,
            (byte)'E' => UsbCaptureEventKind.SubmissionError,
            _ => throw new CaptureFormatException(record.Start, $"The USB event has type 0x{bytes[8]:x2}; 'S', 'C' or 'E' was expected"),
        };
        EndpointTransferType type = bytes[9] switch
        {
            0 => EndpointTransferType.Isochronous,
            1 => EndpointTransferType.Interrupt,
            2 => EndpointTransferType.Control,
            3 => EndpointTransferType.Bulk,
            _ => throw new CaptureFormatException(record.Start, $"The USB event has transfer type {bytes[9]}; 0 to 3 was expected"),
        };

        uint urbLength = _source.U32(bytes[32..]);
        if (urbLength > int.MaxValue)
        {
            throw new CaptureFormatException(record.Start, $"The USB event claims a transfer of {urbLength} bytes; no URB is longer than {int.MaxValue}");
        }

        int dataStart = headerLength;
        if (type == EndpointTransferType.Isochronous && record.LinkType == UsbLinkType.UsbLinuxMmapped)
        {
            // The descriptors of the recorded packets stand between header and data.
            long descriptors = (long)_source.U32(bytes[60..]) * IsochronousDescriptorLength;
            dataStart = (int)Math.Min(bytes.Length, headerLength + descriptors);
        }

        // data_len is what usbmon kept; the snap length of the recorder may have cut that again.
        int dataLength = (int)Math.Min(_source.U32(bytes[36..]), (uint)(bytes.Length - dataStart));
        bool hasSetup = bytes[14] == 0 && type == EndpointTransferType.Control && kind != UsbCaptureEventKind.Completion;

        return new UsbCaptureEvent
        {
            Kind = kind,
            UrbId = _source.U64(bytes),
            TransferType = type,
            Endpoint = bytes[10],
            Device = bytes[11],
            Bus = _source.U16(bytes[12..]),
            Timestamp = record.Timestamp ?? HeaderTime(bytes, record.Start),
            Status = (int)_source.U32(bytes[28..]),
            UrbLength = (int)urbLength,
            Data = record.Bytes.Slice(dataStart, dataLength),
            Setup = hasSetup ? record.Bytes.Slice(SetupOffset, 8) : default,
        };
    }

    private DateTimeOffset HeaderTime(ReadOnlySpan<byte> bytes, long start)
    {
        long seconds = (long)_source.U64(bytes[16..]);
        int microseconds = (int)_source.U32(bytes[24..]);
        if (seconds < 0 || seconds > DateTimeOffset.MaxValue.ToUnixTimeSeconds() - 3600)
        {
            throw new CaptureFormatException(start, "The time of the USB event lies outside the years 1970 to 9999");
        }

        return DateTimeOffset.FromUnixTimeSeconds(seconds).AddTicks(microseconds * 10L);
    }
}
