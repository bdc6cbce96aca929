namespace BulkIn.Testing;

/// <summary>
/// pcapng (draft-ietf-opsawg-pcapng): sections, each with its byte order and interfaces; Enhanced, Simple and the obsolete Packet Blocks are
/// read, other blocks are passed over, and so are the packets of interfaces that are not USB.
/// </summary>
internal sealed class PcapNgContainer : ICaptureContainer
{
    public const uint SectionHeaderBlock = 0x0A0D0D0A;

    private const uint ByteOrderMagic = 0x1A2B3C4D;
    private const uint InterfaceDescriptionBlock = 1;
    private const uint PacketBlock = 2;
    private const uint SimplePacketBlock = 3;
    private const uint EnhancedPacketBlock = 6;

    private const int TimestampResolutionOption = 9;
    private const int TimestampOffsetOption = 14;

    // Interfaces are kept for the length of a section; a file that describes more than this is damaged.
    private const int MaximumInterfaces = 4096;

    private readonly CaptureSource _source;
    private readonly List<PcapNgInterface> _interfaces = [];
    private bool _sawUsb;
    private (int LinkType, long Offset)? _foreign;

    /// <summary>Reads the first section header; its block type has been read.</summary>
    public PcapNgContainer(CaptureSource source)
    {
        _source = source;
        ReadSectionHeader(start: 0);
    }

    public bool TryRead(out CaptureRecord record)
    {
        record = default;
        while (true)
        {
            long start = _source.Position;
            if (!_source.TryRead(4, "a pcapng block type", out ReadOnlyMemory<byte> typeBytes))
            {
                if (!_sawUsb && _foreign is { } foreign)
                {
                    UsbLinkType.Require(foreign.LinkType, foreign.Offset);
                }

                return false;
            }

            // The section header's type reads the same in both byte orders; its own magic number then sets the order.
            uint type = _source.U32(typeBytes.Span);
            if (type == SectionHeaderBlock)
            {
                ReadSectionHeader(start);
                continue;
            }

            ReadOnlyMemory<byte> body = ReadBody(start, type);
            if (type == InterfaceDescriptionBlock)
            {
                AddInterface(body.Span, start);
            }
            else if (ParsePacket(type, body, start) is { } packet)
            {
                record = packet;
                return true;
            }
        }
    }

    private void ReadSectionHeader(long start)
    {
        ReadOnlySpan<byte> head = _source.Read(8, "a pcapng section header", start).Span;
        _source.IsBigEndian = false;
        if (_source.U32(head[4..]) != ByteOrderMagic)
        {
            _source.IsBigEndian = true;
            if (_source.U32(head[4..]) != ByteOrderMagic)
            {
                throw new CaptureFormatException(start + 8, "The pcapng section header has no byte-order magic (1A 2B 3C 4D in either order)");
            }
        }

        uint length = CheckLength(_source.U32(head), minimum: 28, start);
        ReadOnlySpan<byte> body = _source.Read((int)length - 12, "a pcapng section header", start).Span;
        int major = _source.U16(body);
        if (major != 1)
        {
            throw new CaptureFormatException(start + 12, $"pcapng version {major}.{_source.U16(body[2..])} is not known; 1.0 was expected");
        }

        CheckTrailer(body[^4..], length, start);
        _interfaces.Clear();
    }

    private ReadOnlyMemory<byte> ReadBody(long start, uint type)
    {
        string structure = $"a pcapng block of type 0x{type:x8}";
        uint length = CheckLength(_source.U32(_source.Read(4, structure, start).Span), minimum: 12, start);
        if (type is InterfaceDescriptionBlock or PacketBlock or SimplePacketBlock or EnhancedPacketBlock)
        {
            ReadOnlyMemory<byte> rest = _source.Read((int)length - 8, structure, start);
            CheckTrailer(rest.Span[^4..], length, start);
            return rest[..^4];
        }

        _source.Skip(length - 12, structure, start);
        CheckTrailer(_source.Read(4, structure, start).Span, length, start);
        return default;
    }

    private static uint CheckLength(uint length, uint minimum, long start)
    {
        if (length < minimum || length % 4 != 0 || length > UsbCaptureReader.MaximumRecordLength)
        {
            throw new CaptureFormatException(
                start,
                $"The pcapng block claims {length} bytes; a multiple of 4 from {minimum} to {UsbCaptureReader.MaximumRecordLength} was expected");
        }

        return length;
    }

    private void CheckTrailer(ReadOnlySpan<byte> trailer, uint length, long start)
    {
        uint repeated = _source.U32(trailer);
        if (repeated != length)
        {
            throw new CaptureFormatException(start, $"The pcapng block says {length} bytes at its start and {repeated} at its end");
        }
    }

    private void AddInterface(ReadOnlySpan<byte> body, long start)
    {
        if (body.Length < 8)
        {
            throw new CaptureFormatException(start, $"The pcapng interface description has {body.Length} bytes; at least 8 were expected");
        }

        if (_interfaces.Count == MaximumInterfaces)
        {
            throw new CaptureFormatException(start, $"The pcapng section describes more than {MaximumInterfaces} interfaces");
        }

        int linkType = _source.U16(body);
        var description = new PcapNgInterface(linkType, _source.U32(body[4..]));
        for (ReadOnlySpan<byte> options = body[8..]; options.Length >= 4;)
        {
            int code = _source.U16(options);
            int length = _source.U16(options[2..]);
            if (code == 0)
            {
                break;
            }

            if (length > options.Length - 4)
            {
                throw new CaptureFormatException(start, $"Option {code} of the pcapng interface description claims {length} bytes; {options.Length - 4} are left");
            }

            ReadOnlySpan<byte> value = options.Slice(4, length);
            if (code == TimestampResolutionOption && length == 1)
            {
                description.SetResolution(value[0], start);
            }
            else if (code == TimestampOffsetOption && length == 8)
            {
                description.OffsetSeconds = (long)_source.U64(value);
            }

            options = options[Math.Min(options.Length, 4 + ((length + 3) & ~3))..];
        }

        _interfaces.Add(description);
        if (UsbLinkType.IsKnown(linkType))
        {
            _sawUsb = true;
        }
        else
        {
            _foreign ??= (linkType, start + 8);
        }
    }

    private CaptureRecord? ParsePacket(uint type, ReadOnlyMemory<byte> body, long start)
    {
        (int header, string name) = type switch
        {
            EnhancedPacketBlock => (20, "enhanced packet block"),
            PacketBlock => (20, "packet block"),
            SimplePacketBlock => (4, "simple packet block"),
            _ => (0, ""),
        };
        if (header == 0)
        {
            return null;
        }

        ReadOnlySpan<byte> span = body.Span;
        if (span.Length < header)
        {
            throw new CaptureFormatException(start, $"The pcapng {name} has {span.Length} bytes; at least {header} were expected");
        }

        uint index = type switch
        {
            EnhancedPacketBlock => _source.U32(span),
            PacketBlock => _source.U16(span),
            _ => 0,
        };
        if (index >= (uint)_interfaces.Count)
        {
            throw new CaptureFormatException(start, $"The pcapng {name} names interface {index}; {_interfaces.Count} are described before it");
        }

        PcapNgInterface description = _interfaces[(int)index];
        if (!UsbLinkType.IsKnown(description.LinkType))
        {
            return null;
        }

        int room = span.Length - header;
        uint captured = type == SimplePacketBlock
            ? Math.Min(Math.Min(_source.U32(span), description.SnapLength == 0 ? uint.MaxValue : description.SnapLength), (uint)room)
            : _source.U32(span[12..]);
        if (captured > (uint)room)
        {
            throw new CaptureFormatException(start, $"The pcapng {name} claims {captured} captured bytes; {room} are in the block");
        }

        DateTimeOffset? time = type == SimplePacketBlock
            ? null
            : description.ToTime(((ulong)_source.U32(span[4..]) << 32) | _source.U32(span[8..]), start);
        return new CaptureRecord(start, description.LinkType, time, body.Slice(header, (int)captured));
    }
}
