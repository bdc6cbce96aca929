using System.Buffers.Binary;

namespace BulkIn.Soak;

/// <summary>
/// A message that proves itself: <c>B1 4E 55 4D</c>, its number and its length (little-endian, 8 and 4 bytes), then bytes that follow from the number. Those are below
/// 0x80, so a transfer that begins with 0xB1 begins a message. The header never spans two packets.
/// </summary>
internal static class NumberedMessage
{
    public const int HeaderLength = 16;
    public const int LongestMessage = 6 * 1024;
    public const byte First = 0xB1;

    // No divisor of a packet's length: a packet lost from the middle shows in the bytes behind it.
    private const int Period = 127;

    private static readonly byte[] Pattern = MakePattern();

    private static ReadOnlySpan<byte> Magic => [First, 0x4E, 0x55, 0x4D];

    /// <summary>Fills a message.</summary>
    /// <param name="message">From the header's length to the longest message.</param>
    /// <param name="number">Its number.</param>
    public static void Write(Span<byte> message, long number)
    {
        Magic.CopyTo(message);
        BinaryPrimitives.WriteInt64LittleEndian(message[4..], number);
        BinaryPrimitives.WriteInt32LittleEndian(message[12..], message.Length);
        Expected(number, HeaderLength, message.Length - HeaderLength).CopyTo(message[HeaderLength..]);
    }

    /// <summary>Reads a header.</summary>
    /// <returns>False when these bytes are none.</returns>
    public static bool TryRead(ReadOnlySpan<byte> header, out long number, out int length)
    {
        if (header.Length < HeaderLength)
        {
            (number, length) = (0, 0);
            return false;
        }

        number = BinaryPrimitives.ReadInt64LittleEndian(header[4..]);
        length = BinaryPrimitives.ReadInt32LittleEndian(header[12..]);
        return header.StartsWith(Magic) && length is >= HeaderLength and <= LongestMessage;
    }

    /// <summary>True when these are the message's bytes from an offset behind the header on.</summary>
    public static bool Matches(ReadOnlySpan<byte> bytes, long number, int offset) => bytes.SequenceEqual(Expected(number, offset, bytes.Length));

    private static ReadOnlySpan<byte> Expected(long number, int offset, int length) => Pattern.AsSpan((int)(number * 31 % Period) + offset, length);

    private static byte[] MakePattern()
    {
        byte[] pattern = new byte[Period + LongestMessage];
        for (int i = 0; i < pattern.Length; i++)
        {
            pattern[i] = (byte)(i % Period);
        }

        return pattern;
    }
}
