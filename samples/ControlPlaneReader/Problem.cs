using BulkIn;
using BulkIn.Testing;

namespace ControlPlaneReader;

/// <summary>A failure the user can act on: one line and an exit status.</summary>
internal sealed class ProblemException(int exitCode, string message) : Exception(message)
{
    /// <summary>The exit status.</summary>
    public int ExitCode { get; } = exitCode;
}

/// <summary>Turns exceptions into one line and an exit status.</summary>
internal static class Problem
{
    /// <summary>The first line of a message, without what argument exceptions append to it.</summary>
    public static string FirstLine(string message)
    {
        int parameter = message.IndexOf(" (Parameter '", StringComparison.Ordinal);
        string text = parameter < 0 ? message : message[..parameter];
        int end = text.AsSpan().IndexOfAny('\r', '\n');
        return (end < 0 ? text : text[..end]).Trim();
    }

    /// <summary>Why a capture file could not be opened or read.</summary>
    public static ProblemException OfCapture(string path, Exception exception)
    {
        string why = exception switch
        {
            CaptureFormatException or BulkInException => FirstLine(exception.Message),
            UnauthorizedAccessException when Directory.Exists(path) => "is a directory, not a capture file",
            UnauthorizedAccessException => "no permission to read it",
            FileNotFoundException or DirectoryNotFoundException => "no such file",
            PathTooLongException => "the path is too long",
            ArgumentException => FirstLine(exception.Message),
            _ => FirstLine(exception.Message),
        };
        return new ProblemException(ExitCode.Capture, $"{path}: {why}");
    }

    /// <summary>Why a device could not be opened or listed.</summary>
    public static ProblemException OfDevice(Exception exception) => exception switch
    {
        BulkInException { IsTerminal: true } gone => new ProblemException(ExitCode.Unplugged, FirstLine(gone.Message)),
        ArgumentException => new ProblemException(ExitCode.Usage, FirstLine(exception.Message)),
        _ => new ProblemException(ExitCode.Device, FirstLine(exception.Message)),
    };
}
