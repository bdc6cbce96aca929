using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;

namespace BulkIn.Diagnostics;

/// <summary>A user's logger that cannot harm: what it throws is swallowed, because a message lost is better than a transfer stuck.</summary>
internal sealed class GuardedLogger(ILogger inner) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    [SuppressMessage("Design", "CA1031", Justification = "User code behind an interface; see the type.")]
    public bool IsEnabled(LogLevel logLevel)
    {
        try
        {
            return inner.IsEnabled(logLevel);
        }
        catch (Exception)
        {
            return false;
        }
    }

    [SuppressMessage("Design", "CA1031", Justification = "User code behind an interface; see the type.")]
    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        try
        {
            inner.Log(logLevel, eventId, state, exception, formatter);
        }
        catch (Exception)
        {
            return;
        }
    }
}
