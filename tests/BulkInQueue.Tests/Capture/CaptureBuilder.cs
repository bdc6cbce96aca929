using System.Buffers.Binary;
using Xunit;

namespace BulkIn.Testing;

/// <summary>The container, byte order and link type of a capture built in memory.</summary>
public sealed record CaptureFlavor(bool PcapNg, bool BigEndian, int LinkType)
{
    /// <summary>Classic pcap with nanoseconds, pcapng with if_tsresol 9.</summary>
    public bool Nanoseconds { get; init; }

    public static TheoryData<bool, bool, int, bool> All
    {
        get
        {
            var all = new TheoryData<bool, bool, int, bool>();
            foreach (bool pcapNg in (bool[])[false, true])
            {
                foreach (bool bigEndian in (bool[])[false, true])
                {
                    foreach (int linkType in (int[])[189, 220])
                    {
                        all.Add(pcapNg, bigEndian, linkType, false);
                        all.Add(pcapNg, bigEndian, linkType, true);
                    }
                }
            }

            return all;
        }
    }
}

/// <summary>Builds a small USB capture, event by event.</summary>
internal sealed class CaptureBuilder
{
    /// <summary>2026-06-17 00:00:00 UTC.</summary>
    public const long StartSeconds = 1_781_654_400;

    private readonly CaptureFlavor _flavor;
    private readonly List<byte> _file = [];

    public CaptureBuilder(CaptureFlavor? flavor = null, int snapLength = 65535)
    {
        _flavor = flavor ?? new CaptureFlavor(PcapNg: false, BigEndian: false, 189);
        if (_flavor.PcapNg)
        {
            Section();
            Interface(_flavor.LinkType, snapLength);
        }
        else
        {
            U32(_flavor.Nanoseconds ? 0xA1B23C4D : 0xA1B2C3D4);
            U16(2);
            U16(4);
            U32(0);
            U32(0);
            U32((uint)snapLength);
            U32((uint)_flavor.LinkType);
        }
    }

    public byte Device { get; set; } = 10;

    public ushort Bus { get; set; } = 2;

    public byte Endpoint { get; set; } = 0x84;

    /// <summary>The interface that pcapng packets name.</summary>
    public uint InterfaceIndex { get; set; }

    /// <summary>The most bytes of a record that the recorder keeps.</summary>
    public int Snap { get; set; } = int.MaxValue;

    public long Length => _file.Count;

    public byte[] ToArray() => [.. _file];

    public MemoryStream ToStream() => new([.. _file]);

    public CaptureBuilder Submit(ulong urb, int length = 4096, double time = 0) =>
        Event((byte)'S', urb, -115, length, [], time, Endpoint, transferType: 3);

    public CaptureBuilder Complete(ulong urb, ReadOnlySpan<byte> data, int status = 0, double time = 0) =>
        Event((byte)'C', urb, status, data.Length, data, time, Endpoint, transferType: 3);

    public CaptureBuilder Fail(ulong urb, int status, double time = 0) => Complete(urb, [], status, time);

    /// <summary>A transfer of the usual shape: submitted with 4096 bytes, completed.</summary>
    public CaptureBuilder Transfer(ulong urb, ReadOnlySpan<byte> data, int status = 0, double time = 0) =>
        Submit(urb, time: time).Complete(urb, data, status, time);

    public CaptureBuilder Event(byte type, ulong urb, int status, int urbLength, ReadOnlySpan<byte> data, double time, byte endpoint, byte transferType)
    {
        int header = _flavor.LinkType == 220 ? 64 : 48;
        byte[] record = new byte[header + data.Length];
        Put64(record, 0, urb);
        record[8] = type;
        record[9] = transferType;
        record[10] = endpoint;
        record[11] = Device;
        Put16(record, 12, Bus);
        record[14] = (byte)(transferType == 2 && type == 'S' ? 0 : '-');
        record[15] = (byte)(data.IsEmpty ? '<' : 0);
        long microseconds = (long)Math.Round(time * 1_000_000);
        Put64(record, 16, (ulong)(StartSeconds + (microseconds / 1_000_000)));
        Put32(record, 24, (uint)(microseconds % 1_000_000));
        Put32(record, 28, (uint)status);
        Put32(record, 32, (uint)urbLength);
        Put32(record, 36, (uint)data.Length);
        for (int i = 0; i < 8; i++)
        {
            record[40 + i] = transferType == 2 ? (byte)(0x80 + i) : (byte)0;
        }

        data.CopyTo(record.AsSpan(header));
        return Packet(record, microseconds);
    }

    /// <summary>A record of any bytes, in the container's packet form.</summary>
    public CaptureBuilder Packet(ReadOnlySpan<byte> record, long microseconds)
    {
        ReadOnlySpan<byte> kept = record[..Math.Min(Snap, record.Length)];
        long units = (StartSeconds * 1_000_000) + microseconds;
        if (_flavor.Nanoseconds)
        {
            units *= 1000;
        }

        if (!_flavor.PcapNg)
        {
            long perSecond = _flavor.Nanoseconds ? 1_000_000_000 : 1_000_000;
            U32((uint)(units / perSecond));
            U32((uint)(units % perSecond));
            U32((uint)kept.Length);
            U32((uint)record.Length);
            _file.AddRange(kept);
            return this;
        }

        using var body = new MemoryStream();
        Span<byte> head = stackalloc byte[20];
        Put32(head, 0, InterfaceIndex);
        Put32(head, 4, (uint)(units >> 32));
        Put32(head, 8, (uint)units);
        Put32(head, 12, (uint)kept.Length);
        Put32(head, 16, (uint)record.Length);
        body.Write(head);
        body.Write(kept);
        return Block(6, body.ToArray());
    }

    /// <summary>A pcapng Simple Packet Block: no time, interface 0.</summary>
    public CaptureBuilder SimplePacket(ReadOnlySpan<byte> record)
    {
        byte[] body = new byte[4 + record.Length];
        Put32(body, 0, (uint)record.Length);
        record.CopyTo(body.AsSpan(4));
        return Block(3, body);
    }

    public CaptureBuilder Section()
    {
        byte[] body = new byte[16];
        Put32(body, 0, 0x1A2B3C4D);
        Put16(body, 4, 1);
        body.AsSpan(8).Fill(0xFF);
        return Block(0x0A0D0D0A, body);
    }

    public CaptureBuilder Interface(int linkType, int snapLength = 65535, byte? resolution = null, long? offsetSeconds = null)
    {
        resolution ??= _flavor.Nanoseconds ? (byte)9 : null;
        using var body = new MemoryStream();
        Span<byte> head = stackalloc byte[8];
        Put16(head, 0, (ushort)linkType);
        Put32(head, 4, (uint)snapLength);
        body.Write(head);
        Span<byte> option = stackalloc byte[12];
        if (resolution is { } value)
        {
            Put16(option, 0, 9);
            Put16(option, 2, 1);
            option[4] = value;
            body.Write(option[..8]);
        }

        if (offsetSeconds is { } offset)
        {
            option.Clear();
            Put16(option, 0, 14);
            Put16(option, 2, 8);
            Put64(option, 4, (ulong)offset);
            body.Write(option);
        }

        return Block(1, body.ToArray());
    }

    /// <summary>A pcapng block of any type.</summary>
    public CaptureBuilder Block(uint type, ReadOnlySpan<byte> body)
    {
        int padded = (body.Length + 3) & ~3;
        U32(type);
        U32((uint)(padded + 12));
        _file.AddRange(body);
        _file.AddRange(new byte[padded - body.Length]);
        U32((uint)(padded + 12));
        return this;
    }

    private void U16(ushort value)
    {
        Span<byte> bytes = stackalloc byte[2];
        Put16(bytes, 0, value);
        _file.AddRange(bytes);
    }

    private void U32(uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        Put32(bytes, 0, value);
        _file.AddRange(bytes);
    }

    private void Put16(Span<byte> target, int offset, ushort value)
    {
        if (_flavor.BigEndian)
        {
            BinaryPrimitives.WriteUInt16BigEndian(target[offset..], value);
        }
        else
        {
            BinaryPrimitives.WriteUInt16LittleEndian(target[offset..], value);
        }
    }

    private void Put32(Span<byte> target, int offset, uint value)
    {
        if (_flavor.BigEndian)
        {
            BinaryPrimitives.WriteUInt32BigEndian(target[offset..], value);
        }
        else
        {
            BinaryPrimitives.WriteUInt32LittleEndian(target[offset..], value);
        }
    }

    private void Put64(Span<byte> target, int offset, ulong value)
    {
        if (_flavor.BigEndian)
        {
            BinaryPrimitives.WriteUInt64BigEndian(target[offset..], value);
        }
        else
        {
            BinaryPrimitives.WriteUInt64LittleEndian(target[offset..], value);
        }
    }
}
