using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace BulkIn.Bench;

/// <summary>Keeps what is logged.</summary>
internal sealed class CollectingLogger : ILogger
{
    private readonly ConcurrentQueue<string> _messages = new();

    /// <summary>The messages so far.</summary>
    public IReadOnlyCollection<string> Messages => _messages;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        ArgumentNullException.ThrowIfNull(formatter);
        _messages.Enqueue(formatter(state, exception));
    }

    /// <summary>Fails unless a message says something.</summary>
    public void RequireSaid(string piece) =>
        CaseContext.Require(_messages.Any(message => message.Contains(piece, StringComparison.Ordinal)), $"the log does not say '{piece}': {string.Join(" | ", _messages)}");
}
