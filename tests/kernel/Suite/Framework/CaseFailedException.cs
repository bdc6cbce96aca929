namespace BulkIn.Bench;

/// <summary>A promise that was not kept; the message says which and by how much.</summary>
internal sealed class CaseFailedException(string message) : Exception(message);
