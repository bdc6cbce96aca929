namespace BulkIn.Bench;

/// <summary>A row of the fault matrix that a case covers on a real kernel.</summary>
/// <param name="Number">The row's number.</param>
/// <param name="Level">Who provokes the fault: <see cref="FaultLevels.Kernel"/> or <see cref="FaultLevels.Shim"/>.</param>
internal readonly record struct FaultRow(int Number, FaultLevels Level = FaultLevels.Kernel);
