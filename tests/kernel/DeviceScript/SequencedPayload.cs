using System.Buffers.Binary;

namespace BulkIn.DeviceScript;

/// <summary>
/// Bytes that tell which transfer they belong to: every 8 bytes hold the transfer's number, and each byte is shifted by its offset, so that a lost,
/// repeated, swapped, truncated or torn transfer shows.
/// </summary>
public static class SequencedPayload
{
    private const int Block = 8;

    /// <summary>Fills a buffer.</summary>
    /// <param name="destination">The transfer's bytes.</param>
    /// <param name="sequence">The transfer's number.</param>
    public static void Write(Span<byte> destination, long sequence)
    {
        Span<byte> block = stackalloc byte[Block];
        for (int offset = 0; offset < destination.Length; offset += Block)
        {
            BinaryPrimitives.WriteInt64LittleEndian(block, Mix(sequence, offset));
            Span<byte> rest = destination[offset..];
            block[..Math.Min(Block, rest.Length)].CopyTo(rest);
        }
    }

    /// <summary>The first byte that is not what <see cref="Write"/> writes, or -1.</summary>
    /// <param name="source">A received transfer.</param>
    /// <param name="sequence">The number it should have.</param>
    public static int FirstDifference(ReadOnlySpan<byte> source, long sequence)
    {
        Span<byte> block = stackalloc byte[Block];
        for (int offset = 0; offset < source.Length; offset += Block)
        {
            BinaryPrimitives.WriteInt64LittleEndian(block, Mix(sequence, offset));
            ReadOnlySpan<byte> rest = source[offset..];
            int length = Math.Min(Block, rest.Length);
            int same = rest[..length].CommonPrefixLength(block[..length]);
            if (same < length)
            {
                return offset + same;
            }
        }

        return -1;
    }

    /// <summary>The number a received transfer carries, or -1 when it is too short to tell.</summary>
    /// <param name="source">A received transfer.</param>
    public static long Read(ReadOnlySpan<byte> source) =>
        source.Length < Block ? -1 : Mix(BinaryPrimitives.ReadInt64LittleEndian(source), 0);

    /// <summary>A transfer length both sides can compute: short, full and zero-length ones mixed.</summary>
    /// <param name="sequence">The transfer's number.</param>
    /// <param name="maximum">The longest, which is the receiver's buffer length.</param>
    /// <remarks>Between 0 and <paramref name="maximum"/> no length is a multiple of a packet: such a transfer has no end of its own on the bus.</remarks>
    public static int Length(long sequence, int maximum)
    {
        const int SmallestPacket = 64;
        ulong random = SplitMix((ulong)sequence);
        int length = (random % 8) switch
        {
            0 => 0,
            1 => maximum,
            2 => 1 + (int)((random >> 8) % 7),
            _ => (int)((random >> 8) % (ulong)(maximum + 1)),
        };
        return length > 0 && length < maximum && length % SmallestPacket == 0 ? length - 1 : length;
    }

    // Its own inverse at offset 0, where Read uses it.
    private static long Mix(long sequence, int offset) => sequence ^ (offset * 0x0101_0101_0101_0101L);

    private static ulong SplitMix(ulong value)
    {
        value += 0x9E37_79B9_7F4A_7C15UL;
        value = (value ^ (value >> 30)) * 0xBF58_476D_1CE4_E5B9UL;
        value = (value ^ (value >> 27)) * 0x94D0_49BB_1331_11EBUL;
        return value ^ (value >> 31);
    }
}
