namespace BulkIn.Diagnostics;

/// <summary>What meter and activity source are called, as OpenTelemetry's instrumentation scope.</summary>
internal static class InstrumentationScope
{
    public const string Name = "BulkInQueue";

    public static string? Version { get; } = typeof(BulkInQueue).Assembly.GetName().Version?.ToString(3);
}
