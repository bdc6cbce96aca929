using System.Buffers.Binary;
using System.Diagnostics;

namespace BulkIn.Testing;

/// <summary>A stream read strictly forwards, with its position, integers in the file's byte order, and one buffer that grows with what arrives.</summary>
internal sealed class CaptureSource(Stream stream)
{
    // A length field is believed only as far as bytes follow it: the buffer grows by this much at a time.
    private const int GrowthStep = 1 << 20;

    private byte[] _buffer = new byte[4096];

    /// <summary>Bytes consumed so far.</summary>
    public long Position { get; private set; }

    /// <summary>The byte order of the integers read from now on.</summary>
    public bool IsBigEndian { get; set; }

    /// <summary>Reads exactly <paramref name="length"/> bytes.</summary>
    /// <param name="length">Bytes; not negative.</param>
    /// <param name="structure">What they are, for the message.</param>
    /// <param name="start">Where the structure begins that the message names.</param>
    /// <returns>The bytes, valid until the next read.</returns>
    /// <exception cref="CaptureFormatException">The file ends before.</exception>
    public ReadOnlyMemory<byte> Read(int length, string structure, long start)
    {
        int got = Fill(length);
        if (got < length)
        {
            throw new CaptureFormatException(start, $"The capture is cut off: {structure} needs {length} bytes, {got} are left") { IsTruncation = true };
        }

        return _buffer.AsMemory(0, length);
    }

    /// <summary>Reads <paramref name="length"/> bytes, or finds the end of the file exactly here.</summary>
    /// <returns>False: the file ended before the first byte.</returns>
    /// <exception cref="CaptureFormatException">The file ends in between.</exception>
    public bool TryRead(int length, string structure, out ReadOnlyMemory<byte> bytes)
    {
        long start = Position;
        int got = Fill(length);
        if (got > 0 && got < length)
        {
            throw new CaptureFormatException(start, $"The capture is cut off: {structure} needs {length} bytes, {got} are left") { IsTruncation = true };
        }

        bytes = _buffer.AsMemory(0, got);
        return got == length;
    }

    /// <summary>Passes over <paramref name="length"/> bytes.</summary>
    /// <exception cref="CaptureFormatException">The file ends before.</exception>
    public void Skip(long length, string structure, long start)
    {
        while (length > 0)
        {
            int part = (int)Math.Min(length, GrowthStep);
            _ = Read(part, structure, start);
            length -= part;
        }
    }

    public ushort U16(ReadOnlySpan<byte> bytes) => IsBigEndian ? BinaryPrimitives.ReadUInt16BigEndian(bytes) : BinaryPrimitives.ReadUInt16LittleEndian(bytes);

    public uint U32(ReadOnlySpan<byte> bytes) => IsBigEndian ? BinaryPrimitives.ReadUInt32BigEndian(bytes) : BinaryPrimitives.ReadUInt32LittleEndian(bytes);

    public ulong U64(ReadOnlySpan<byte> bytes) => IsBigEndian ? BinaryPrimitives.ReadUInt64BigEndian(bytes) : BinaryPrimitives.ReadUInt64LittleEndian(bytes);

    private int Fill(int length)
    {
        Debug.Assert(length >= 0, "lengths are checked by the caller");
        int got = 0;
        while (got < length)
        {
            int wanted = Math.Min(length, got + GrowthStep);
            if (_buffer.Length < wanted)
            {
                Array.Resize(ref _buffer, Math.Max(wanted, (int)Math.Min(length, 2L * _buffer.Length)));
            }

            int read = stream.Read(_buffer, got, wanted - got);
            if (read == 0)
            {
                break;
            }

            got += read;
            Position += read;
        }

        return got;
    }
}
