using System.Text.Json;
using System.Text.Json.Serialization;
using BulkIn;

namespace ControlPlaneReader;

/// <summary>One JSON object on each line: <c>frame</c>, <c>malformed</c>, <c>fault</c>, and at the end one <c>summary</c>.</summary>
internal sealed class JsonReport(TextWriter output) : IReport
{
    public void OnFrame(in FrameHeader header, ReadOnlySpan<byte> bytes, TimeSpan time) =>
        output.WriteLine(JsonSerializer.Serialize(
            new FrameLine("frame", time.TotalSeconds, header.Type, header.Subtype, header.Auxiliary, header.Sequence, header.Size, Convert.ToHexStringLower(bytes)),
            JsonLines.Default.FrameLine));

    public void OnMalformed(ReadOnlySpan<byte> bytes, string reason, TimeSpan time) =>
        output.WriteLine(JsonSerializer.Serialize(
            new MalformedLine("malformed", time.TotalSeconds, bytes.Length, reason, Convert.ToHexStringLower(bytes)),
            JsonLines.Default.MalformedLine));

    public void OnFault(BulkInException fault, TimeSpan time) =>
        output.WriteLine(JsonSerializer.Serialize(
            new FaultLine("fault", time.TotalSeconds, fault.Error.ToString(), fault.NativeCode, Problem.FirstLine(fault.Message)),
            JsonLines.Default.FaultLine));

    public void OnSummary(Summary summary)
    {
        FrameAssembler frames = summary.Frames;
        output.WriteLine(JsonSerializer.Serialize(
            new SummaryLine
            {
                Event = "summary",
                Source = summary.Source,
                End = summary.End.ToString(),
                Frames = frames.Frames,
                FrameBytes = frames.FrameBytes,
                Kinds = [.. frames.Kinds.Select(static kind => new KindCount(kind.Key.Type, kind.Key.Subtype, kind.Value))],
                Transfers = new TransferCounts(
                    frames.Transfers,
                    frames.Framed,
                    frames.Malformed,
                    frames.Empty),
                MalformedBytes = frames.MalformedBytes,
                MissingBytes = frames.MissingBytes,
                Faults = summary.Faults,
                Recoveries = summary.Queue.Recoveries,
                Recorded = summary.Recording is { } recording
                    ? new RecordedCounts(
                        recording.Completions,
                        recording.Delivered,
                        recording.CancelledByHost,
                        recording.Unplugged,
                        recording.Interrupted,
                        recording.Faults,
                        recording.SubmissionErrors)
                    : null,
                Depth = summary.Depth,
                BufferLength = summary.BufferLength,
                ElapsedSeconds = summary.Elapsed.TotalSeconds,
            },
            JsonLines.Default.SummaryLine));
    }

    public void Flush() => output.Flush();
}

internal sealed record FrameLine(string Event, double Time, uint Type, ushort Subtype, ushort Auxiliary, uint Sequence, int Size, string Hex);

internal sealed record MalformedLine(string Event, double Time, int Length, string Reason, string Hex);

internal sealed record FaultLine(string Event, double Time, string Error, int NativeCode, string Message);

internal sealed record ComparisonLine(
    string Event, int Outs, int RepliesForEachOut, int FifoReplies, int Depth, int BufferLength, DockRun OneTransferAtATime, DockRun Queue);

internal sealed record DeviceLine(string Event, string Id, string BusPath, string Speed, string? SerialNumber, IReadOnlyList<EndpointLine> InEndpoints);

internal sealed record EndpointLine(int Interface, int AlternateSetting, int Address, string TransferType, int MaxPacketSize);

internal sealed record KindCount(uint Type, ushort Subtype, long Frames);

internal sealed record TransferCounts(long Received, long Framed, long Malformed, long Empty);

internal sealed record RecordedCounts(long Completions, long Delivered, long CancelledByHost, long Unplugged, long Interrupted, long Faults, long SubmissionErrors);

internal sealed record SummaryLine
{
    public required string Event { get; init; }

    public required string Source { get; init; }

    public required string End { get; init; }

    public required long Frames { get; init; }

    public required long FrameBytes { get; init; }

    public required IReadOnlyList<KindCount> Kinds { get; init; }

    public required TransferCounts Transfers { get; init; }

    public required long MalformedBytes { get; init; }

    public required long MissingBytes { get; init; }

    public required long Faults { get; init; }

    public required long Recoveries { get; init; }

    public RecordedCounts? Recorded { get; init; }

    public required int Depth { get; init; }

    public required int BufferLength { get; init; }

    public required double ElapsedSeconds { get; init; }
}

/// <summary>Serialization without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(FrameLine))]
[JsonSerializable(typeof(MalformedLine))]
[JsonSerializable(typeof(FaultLine))]
[JsonSerializable(typeof(SummaryLine))]
[JsonSerializable(typeof(ComparisonLine))]
[JsonSerializable(typeof(DeviceLine))]
internal sealed partial class JsonLines : JsonSerializerContext;
