using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace BulkIn.DeviceScript;

/// <summary>
/// Bytes that tell which transfer they belong to: every 8 bytes hold the transfer's number, masked by their place in it, so that a lost, repeated,
/// swapped, truncated or torn transfer shows.
/// </summary>
public static class SequencedPayload
{
    private const int Block = sizeof(long);
    private const long Step = Block * 0x0101_0101_0101_0101L;

    /// <summary>Fills a buffer.</summary>
    /// <param name="destination">The transfer's bytes.</param>
    /// <param name="sequence">The transfer's number.</param>
    public static void Write(Span<byte> destination, long sequence)
    {
        // Whole words at a time: under emulation this is most of what a device side costs.
        long mask = 0;
        Span<long> words = MemoryMarshal.Cast<byte, long>(destination);
        for (int index = 0; index < words.Length; index++)
        {
            words[index] = ToLittleEndian(sequence ^ mask);
            mask += Step;
        }

        Span<byte> last = stackalloc byte[Block];
        BinaryPrimitives.WriteInt64LittleEndian(last, sequence ^ mask);
        Span<byte> rest = destination[(words.Length * Block)..];
        last[..rest.Length].CopyTo(rest);
    }

    /// <summary>The first byte that is not what <see cref="Write"/> writes, or -1.</summary>
    /// <param name="source">A received transfer.</param>
    /// <param name="sequence">The number it should have.</param>
    public static int FirstDifference(ReadOnlySpan<byte> source, long sequence)
    {
        long mask = 0;
        ReadOnlySpan<long> words = MemoryMarshal.Cast<byte, long>(source);
        int same = 0;
        while (same < words.Length && words[same] == ToLittleEndian(sequence ^ mask))
        {
            mask += Step;
            same++;
        }

        Span<byte> expected = stackalloc byte[Block];
        BinaryPrimitives.WriteInt64LittleEndian(expected, sequence ^ mask);
        ReadOnlySpan<byte> rest = source[(same * Block)..];
        int length = Math.Min(Block, rest.Length);
        int equal = rest[..length].CommonPrefixLength(expected[..length]);
        return equal == length ? -1 : (same * Block) + equal;
    }

    /// <summary>The number a received transfer carries, or -1 when it is too short to tell.</summary>
    /// <param name="source">A received transfer.</param>
    public static long Read(ReadOnlySpan<byte> source) =>
        source.Length < Block ? -1 : BinaryPrimitives.ReadInt64LittleEndian(source);

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

    private static long ToLittleEndian(long value) => BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value);

    private static ulong SplitMix(ulong value)
    {
        value += 0x9E37_79B9_7F4A_7C15UL;
        value = (value ^ (value >> 30)) * 0xBF58_476D_1CE4_E5B9UL;
        value = (value ^ (value >> 27)) * 0x94D0_49BB_1331_11EBUL;
        return value ^ (value >> 31);
    }
}
