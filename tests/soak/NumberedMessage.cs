using System.Buffers.Binary;

namespace BulkIn.Soak;

/// <summary>
/// A message that proves itself: <c>B1 4E 55 4D</c>, its number and its length (little-endian, 8 and 4 bytes), then bytes that follow from the number. Those are below
/// 0x80, so a transfer that begins with 0xB1 begins a message. The header never spans two packets.
/// </summary>
internal static class NumberedMessage
{
    public const int HeaderLength = 16;
    public const byte First = 0xB1;

    private static ReadOnlySpan<byte> Magic => [First, 0x4E, 0x55, 0x4D];

    public static void Write(Span<byte> message, long number)
    {
        Magic.CopyTo(message);
        BinaryPrimitives.WriteInt64LittleEndian(message[4..], number);
        BinaryPrimitives.WriteInt32LittleEndian(message[12..], message.Length);
        for (int i = HeaderLength; i < message.Length; i++)
        {
            message[i] = ByteAt(number, i);
        }
    }

    /// <summary>Reads a header.</summary>
    /// <returns>False when these bytes are none.</returns>
    public static bool TryRead(ReadOnlySpan<byte> header, out long number, out int length)
    {
        number = BinaryPrimitives.ReadInt64LittleEndian(header[4..]);
        length = BinaryPrimitives.ReadInt32LittleEndian(header[12..]);
        return header.StartsWith(Magic) && length >= HeaderLength;
    }

    public static bool Matches(ReadOnlySpan<byte> bytes, long number, int offset)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            if (bytes[i] != ByteAt(number, offset + i))
            {
                return false;
            }
        }

        return true;
    }

    private static byte ByteAt(long number, int index) => (byte)(((number * 31) + index) & 0x7F);
}
