namespace BulkIn.Soak;

/// <summary>How often the consumer does what a driver does now and then, in receives between two of them on average.</summary>
/// <param name="Reopen">Disposes of the queue and opens another.</param>
/// <param name="Pause">Pauses the queue and resumes it.</param>
internal sealed record SoakHabits(int Reopen, int Pause);
