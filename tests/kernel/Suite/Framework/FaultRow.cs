namespace BulkIn.Bench;

/// <summary>A row of the fault matrix that a case covers on a real kernel.</summary>
/// <param name="Number">The row's number.</param>
internal readonly record struct FaultRow(int Number);
