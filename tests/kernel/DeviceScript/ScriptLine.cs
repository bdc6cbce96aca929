using System.Globalization;

namespace BulkIn.DeviceScript;

/// <summary>
/// One statement of a device script: words separated by blanks, up to a <c>#</c>. Readers take words from the left; what they do not
/// understand is an error that names the line.
/// </summary>
public sealed class ScriptLine
{
    private readonly string[] _words;
    private int _next;

    private ScriptLine(int number, string[] words)
    {
        Number = number;
        _words = words;
    }

    /// <summary>The line's number in its script, counted from 1.</summary>
    public int Number { get; }

    /// <summary>True when every word has been taken.</summary>
    public bool IsAtEnd => _next == _words.Length;

    /// <summary>Splits a script into its statements; empty lines and comments are left out.</summary>
    /// <param name="script">The script's text.</param>
    public static IEnumerable<ScriptLine> Split(string script)
    {
        ArgumentNullException.ThrowIfNull(script);
        return Lines(script);

        static IEnumerable<ScriptLine> Lines(string script)
        {
            int number = 0;
            foreach (string raw in script.Split('\n'))
            {
                number++;
                string text = raw.Split('#', 2)[0];
                string[] words = text.Split([' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
                if (words.Length > 0)
                {
                    yield return new ScriptLine(number, words);
                }
            }
        }
    }

    /// <summary>The next word.</summary>
    /// <param name="what">What is expected, for the message.</param>
    /// <exception cref="ScriptException">The line ended.</exception>
    public string Word(string what)
    {
        if (IsAtEnd)
        {
            throw Problem($"{what} is missing");
        }

        return _words[_next++];
    }

    /// <summary>Takes the next word if it is this one.</summary>
    /// <param name="word">The word.</param>
    public bool Take(string word)
    {
        if (IsAtEnd || !string.Equals(_words[_next], word, StringComparison.Ordinal))
        {
            return false;
        }

        _next++;
        return true;
    }

    /// <summary>The next word as a number: decimal, or hexadecimal after <c>0x</c>.</summary>
    /// <param name="what">What is expected, for the message.</param>
    /// <exception cref="ScriptException">The word is missing or no number.</exception>
    public int Number32(string what)
    {
        string word = Word(what);
        bool ok = word.StartsWith("0x", StringComparison.Ordinal)
            ? int.TryParse(word.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value)
            : int.TryParse(word, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);
        return ok ? value : throw Problem($"{what} is a number, not '{word}'");
    }

    /// <summary>The next word as a length of time: a number with the unit <c>us</c>, <c>ms</c> or <c>s</c>.</summary>
    /// <param name="what">What is expected, for the message.</param>
    /// <exception cref="ScriptException">The word is missing or no time.</exception>
    public TimeSpan Time(string what)
    {
        string word = Word(what);
        (int unitLength, double milliseconds) = word switch
        {
            _ when word.EndsWith("us", StringComparison.Ordinal) => (2, 0.001),
            _ when word.EndsWith("ms", StringComparison.Ordinal) => (2, 1),
            _ when word.EndsWith('s') => (1, 1000),
            _ => (0, 0),
        };
        if (unitLength > 0 && double.TryParse(word.AsSpan(0, word.Length - unitLength), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value))
        {
            return TimeSpan.FromMilliseconds(value * milliseconds);
        }

        throw Problem($"{what} is a time such as 500us, 20ms or 2s, not '{word}'");
    }

    /// <summary>Checks that every word was understood.</summary>
    /// <exception cref="ScriptException">Words are left.</exception>
    public void End()
    {
        if (!IsAtEnd)
        {
            throw Problem($"'{_words[_next]}' is not understood here");
        }
    }

    /// <summary>An error that names this line.</summary>
    /// <param name="problem">What is wrong with it.</param>
    public ScriptException Problem(string problem) => new(Number, problem);
}
