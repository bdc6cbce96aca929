using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;

namespace ControlPlaneReader;

/// <summary>The 16-byte little-endian header of every DisplayLink DL3 bulk message.</summary>
/// <param name="Size">Bytes of the whole frame, header included: the field at offset 2 plus four.</param>
/// <param name="Type">1 opening marker, 2 plaintext device initialisation, 4 HDCP, sealed control, video.</param>
/// <param name="Subtype">On IN: 0x25 before encryption, 0x45 after.</param>
/// <param name="Auxiliary">Auxiliary value.</param>
/// <param name="Sequence">Sequence number, or AES-CTR block counter.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct FrameHeader(int Size, uint Type, ushort Subtype, ushort Auxiliary, uint Sequence)
{
    /// <summary>Bytes of a header, and so of the smallest frame.</summary>
    public const int Length = 16;

    /// <summary>Bytes of the largest frame that the 16-bit size field can declare.</summary>
    public const int MaximumSize = ushort.MaxValue + 4;

    /// <summary>Reads a header; at least <see cref="Length"/> bytes.</summary>
    public static FrameHeader Read(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadUInt16LittleEndian(bytes[2..]) + 4,
        BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]),
        BinaryPrimitives.ReadUInt16LittleEndian(bytes[8..]),
        BinaryPrimitives.ReadUInt16LittleEndian(bytes[10..]),
        BinaryPrimitives.ReadUInt32LittleEndian(bytes[12..]));

    /// <summary>Why this cannot be the start of a frame, or null when it can.</summary>
    public string? Fault
    {
        get
        {
            if (Type is not (1 or 2 or 4))
            {
                return string.Create(CultureInfo.InvariantCulture, $"unknown type 0x{Type:x}");
            }

            return Size < Length ? string.Create(CultureInfo.InvariantCulture, $"it declares {Size} bytes, less than its header has") : null;
        }
    }
}
