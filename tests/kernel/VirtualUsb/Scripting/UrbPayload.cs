using BulkIn.DeviceScript;

namespace BulkIn.VirtualUsb;

/// <summary>What a scripted answer carries: nothing, given bytes, or bytes that tell the transfer's number.</summary>
internal sealed class UrbPayload
{
    private const int RandomLength = -1;

    private readonly byte[]? _bytes;
    private readonly int _length;

    private UrbPayload(byte[]? bytes, int length)
    {
        _bytes = bytes;
        _length = length;
    }

    public static UrbPayload None { get; } = new([], 0);

    /// <summary>Reads <c>N</c>, <c>full</c>, <c>random</c> or <c>hex BYTES</c>.</summary>
    public static UrbPayload Parse(ScriptLine line)
    {
        if (line.Take("random"))
        {
            return new UrbPayload(null, RandomLength);
        }

        if (line.Take("full"))
        {
            return new UrbPayload(null, int.MaxValue);
        }

        if (line.Take("hex"))
        {
            string digits = line.Word("the bytes");
            return digits.Length % 2 == 0 && digits.All(char.IsAsciiHexDigit)
                ? new UrbPayload(Convert.FromHexString(digits), digits.Length / 2)
                : throw line.Problem($"the bytes are an even number of hexadecimal digits, not '{digits}'");
        }

        int length = line.Number32("the length");
        return length >= 0 ? new UrbPayload(null, length) : throw line.Problem("a length is not negative");
    }

    /// <summary>The bytes for one URB.</summary>
    public ReadOnlyMemory<byte> For(Urb urb, long sequence)
    {
        if (_bytes is not null)
        {
            return _bytes;
        }

        int length = _length == RandomLength ? SequencedPayload.Length(sequence, urb.Length) : Math.Min(_length, urb.Length);
        byte[] bytes = new byte[length];
        SequencedPayload.Write(bytes, sequence);
        return bytes;
    }
}
