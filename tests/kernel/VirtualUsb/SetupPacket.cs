using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace BulkIn.VirtualUsb;

/// <summary>The eight bytes that start a control transfer.</summary>
/// <param name="RequestType">Direction, type and recipient.</param>
/// <param name="Request">The request's code.</param>
/// <param name="Value">Its value.</param>
/// <param name="Index">Its index, often an interface or endpoint.</param>
/// <param name="Length">Bytes of the data stage.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct SetupPacket(byte RequestType, byte Request, ushort Value, ushort Index, ushort Length)
{
    /// <summary>Bytes of a setup packet.</summary>
    public const int Size = 8;

    /// <summary>True when the data stage goes from the device to the host.</summary>
    public bool IsIn => (RequestType & 0x80) != 0;

    /// <summary>True for a request of chapter 9, false for one of a class or a vendor.</summary>
    public bool IsStandard => (RequestType & 0x60) == 0;

    /// <summary>Whom it is for: 0 the device, 1 an interface, 2 an endpoint.</summary>
    public byte Recipient => (byte)(RequestType & 0x1f);

    /// <summary>True for CLEAR_FEATURE(ENDPOINT_HALT), the request that ends a stall.</summary>
    public bool IsClearHalt => RequestType == 0x02 && Request == 1 && Value == 0;

    /// <summary>True for SET_FEATURE(ENDPOINT_HALT).</summary>
    public bool IsSetHalt => RequestType == 0x02 && Request == 3 && Value == 0;

    /// <summary>Reads a setup packet, little-endian as on the wire.</summary>
    /// <param name="bytes">At least <see cref="Size"/> bytes.</param>
    public static SetupPacket Read(ReadOnlySpan<byte> bytes) => new(
        bytes[0],
        bytes[1],
        BinaryPrimitives.ReadUInt16LittleEndian(bytes[2..]),
        BinaryPrimitives.ReadUInt16LittleEndian(bytes[4..]),
        BinaryPrimitives.ReadUInt16LittleEndian(bytes[6..]));
}
