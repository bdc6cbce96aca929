namespace BulkIn.Testing;

/// <summary>Classic pcap (draft-ietf-opsawg-pcap): one header, one link type, records with microseconds or nanoseconds.</summary>
internal sealed class PcapContainer : ICaptureContainer
{
    public const uint MicrosecondMagic = 0xA1B2C3D4;
    public const uint NanosecondMagic = 0xA1B23C4D;

    private const int RecordHeaderLength = 16;

    private readonly CaptureSource _source;
    private readonly int _fractionsPerTick;
    private readonly int _ticksPerFraction;
    private readonly int _linkType;

    /// <summary>Reads the rest of the file header; the magic number has been read and has set the byte order.</summary>
    public PcapContainer(CaptureSource source, uint magic)
    {
        _source = source;
        _fractionsPerTick = magic == NanosecondMagic ? 100 : 1;
        _ticksPerFraction = magic == NanosecondMagic ? 1 : 10;

        ReadOnlySpan<byte> header = source.Read(20, "the pcap file header", 0).Span;
        int major = source.U16(header);
        if (major != 2)
        {
            throw new CaptureFormatException(4, $"pcap version {major}.{source.U16(header[2..])} is not known; 2.4 was expected");
        }

        // The upper bits say whether and how long a frame check sequence is; USB has none.
        _linkType = (int)(source.U32(header[16..]) & 0x0FFF_FFFF);
        UsbLinkType.Require(_linkType, 20);
    }

    public bool TryRead(out CaptureRecord record)
    {
        record = default;
        long start = _source.Position;
        if (!_source.TryRead(RecordHeaderLength, "a pcap record header", out ReadOnlyMemory<byte> bytes))
        {
            return false;
        }

        ReadOnlySpan<byte> header = bytes.Span;
        uint seconds = _source.U32(header);
        uint fraction = _source.U32(header[4..]);
        uint captured = _source.U32(header[8..]);
        if (captured > UsbCaptureReader.MaximumRecordLength)
        {
            throw new CaptureFormatException(start, $"The pcap record claims {captured} bytes; no USB record is longer than {UsbCaptureReader.MaximumRecordLength}");
        }

        DateTimeOffset time = DateTimeOffset.FromUnixTimeSeconds(seconds).AddTicks((long)fraction * _ticksPerFraction / _fractionsPerTick);
        record = new CaptureRecord(start, _linkType, time, _source.Read((int)captured, "a pcap record", start));
        return true;
    }
}
