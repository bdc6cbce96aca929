namespace BulkIn.DeviceScript;

/// <summary>A script that does not say what a device can do.</summary>
public sealed class ScriptException : FormatException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="line">The script's line, counted from 1.</param>
    /// <param name="problem">What is wrong with it, and what would be right.</param>
    public ScriptException(int line, string problem)
        : base($"line {line}: {problem}")
    {
        Line = line;
    }

    /// <summary>The script's line, counted from 1.</summary>
    public int Line { get; }
}
