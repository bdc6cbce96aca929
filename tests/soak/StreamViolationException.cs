namespace BulkIn.Soak;

/// <summary>The library broke its promise.</summary>
internal sealed class StreamViolationException(string message) : Exception(message);
