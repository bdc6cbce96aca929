namespace BulkIn.Soak;

/// <summary>The library broke its promise; the message says which.</summary>
public sealed class StreamViolationException(string message) : Exception(message);
