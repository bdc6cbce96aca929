using System.Runtime.CompilerServices;

namespace BulkIn.Bench;

/// <summary>An interpolated string that is only built when a case fails: asking usbmon for each of ten thousand transfers would be most of their cost.</summary>
[InterpolatedStringHandler]
internal ref struct FailureMessage
{
    private DefaultInterpolatedStringHandler _text;

    /// <summary>Called by the compiler.</summary>
    /// <param name="literalLength">Characters between the holes.</param>
    /// <param name="formattedCount">Holes.</param>
    /// <param name="condition">What must hold.</param>
    /// <param name="isNeeded">False to leave the holes alone.</param>
    public FailureMessage(int literalLength, int formattedCount, bool condition, out bool isNeeded)
    {
        isNeeded = !condition;
        _text = isNeeded ? new DefaultInterpolatedStringHandler(literalLength, formattedCount) : default;
    }

    public void AppendLiteral(string value) => _text.AppendLiteral(value);

    public void AppendFormatted<T>(T value) => _text.AppendFormatted(value);

    public void AppendFormatted<T>(T value, string format) => _text.AppendFormatted(value, format);

    /// <summary>The message, of a condition that did not hold.</summary>
    public string Build() => _text.ToStringAndClear();
}
