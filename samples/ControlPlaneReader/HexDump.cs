using System.Globalization;
using System.Text;

namespace ControlPlaneReader;

/// <summary>Bytes as text.</summary>
internal static class HexDump
{
    private const int BytesPerLine = 16;

    /// <summary>The first <paramref name="most"/> bytes on one line, and how many more there are.</summary>
    public static string Line(ReadOnlySpan<byte> bytes, int most)
    {
        string hex = Convert.ToHexStringLower(bytes[..Math.Min(most, bytes.Length)]);
        return bytes.Length > most ? string.Create(CultureInfo.InvariantCulture, $"{hex} +{bytes.Length - most}") : hex;
    }

    /// <summary>The first <paramref name="most"/> bytes, 16 to a line with offset and ASCII, each line indented.</summary>
    public static void Write(TextWriter output, ReadOnlySpan<byte> bytes, int most)
    {
        int shown = Math.Min(most, bytes.Length);
        var line = new StringBuilder();
        for (int start = 0; start < shown; start += BytesPerLine)
        {
            ReadOnlySpan<byte> part = bytes[start..Math.Min(start + BytesPerLine, shown)];
            line.Clear().Append(CultureInfo.InvariantCulture, $"    {start:x4}  ");
            for (int i = 0; i < BytesPerLine; i++)
            {
                _ = i < part.Length ? line.Append(CultureInfo.InvariantCulture, $"{part[i]:x2} ") : line.Append("   ");
            }

            line.Append(' ');
            foreach (byte value in part)
            {
                line.Append(value is >= 0x20 and < 0x7F ? (char)value : '.');
            }

            output.WriteLine(line);
        }

        if (shown < bytes.Length)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"    and {bytes.Length - shown} more bytes"));
        }
    }
}
