using System.Globalization;
using BulkIn;

namespace ControlPlaneReader;

/// <summary>One readable line for each frame, a hex dump for what is none, and a summary.</summary>
internal sealed class TextReport(TextWriter output, bool full) : IReport
{
    private const int ShownOfFrame = 32;
    private const int ShownOfMalformed = 256;

    private bool _headed;

    public void OnFrame(in FrameHeader header, ReadOnlySpan<byte> bytes, TimeSpan time)
    {
        Head();
        string hex = HexDump.Line(bytes, full ? int.MaxValue : ShownOfFrame);
        string cut = bytes.Length < header.Size ? string.Create(CultureInfo.InvariantCulture, $" ({header.Size - bytes.Length} not captured)") : "";
        Line($"{time.TotalSeconds,12:F6} {$"{header.Type}/0x{header.Subtype:x2}",-7} {header.Sequence,10} {header.Size,6}  {hex}{cut}");
    }

    public void OnMalformed(ReadOnlySpan<byte> bytes, string reason, TimeSpan time)
    {
        Head();
        Line($"{time.TotalSeconds,12:F6} no frame: {bytes.Length} bytes, {reason}");
        HexDump.Write(output, bytes, full ? int.MaxValue : ShownOfMalformed);
    }

    public void OnFault(BulkInException fault, TimeSpan time)
    {
        Head();
        Line($"{time.TotalSeconds,12:F6} fault: {Problem.FirstLine(fault.Message)}");
    }

    public void OnSummary(Summary summary)
    {
        FrameAssembler frames = summary.Frames;
        output.WriteLine();
        Line($"Source      {summary.Source}");
        Line($"Frames      {frames.Frames} ({frames.FrameBytes} bytes){Kinds(frames)}");
        if (summary.Recording is { } recording)
        {
            Line($"Recorded    {recording.Completions} transfers, each accounted for:");
            Line($"            {recording.Delivered,7} with data, or zero-length");
            Line($"            {recording.CancelledByHost,7} cancelled by the capturing host");
            Line($"            {recording.Unplugged,7} ended by the unplug");
            Line($"            {recording.Interrupted,7} shut down while the device stayed (reset, release, sleep)");
            Line($"            {recording.Faults,7} failed (stall, bus error, overflow)");
            Line($"Missing     {recording.MissingBytes} bytes because of the snap length");
        }

        Line($"Received    {frames.Transfers} transfers with data, or zero-length{(summary.Faults > 0 ? ", what came with a fault included" : "")}:");
        Line($"            {frames.Framed,7} whole frames");
        Line($"            {frames.Malformed,7} with bytes that are no frame");
        Line($"            {frames.Empty,7} zero-length");
        Line($"Malformed   {frames.MalformedBytes} bytes");
        Line($"Faults      {summary.Faults}, recovered from {summary.Queue.Recoveries} times");
        Line($"Ended       {Describe(summary)}");
        Line($"Read with   depth {summary.Depth}, buffers of {summary.BufferLength} bytes, in {summary.Elapsed.TotalSeconds:F3} s");
    }

    public void Flush() => output.Flush();

    private static string Kinds(FrameAssembler frames) => frames.Kinds.Count == 0
        ? ""
        : ": " + string.Join(", ", frames.Kinds.Select(static kind => string.Create(CultureInfo.InvariantCulture, $"{kind.Value} of {kind.Key.Type}/0x{kind.Key.Subtype:x2}")));

    private static string Describe(Summary summary) => summary.End switch
    {
        ReadingEnd.RecordingEnded => "at the end of the recording",
        ReadingEnd.Unplugged when summary.Recording is not null => "where the recording shows the device unplugged",
        ReadingEnd.Unplugged => "because the device was unplugged",
        ReadingEnd.Stopped => "stopped on request",
        _ => "by a fault that the queue does not recover from",
    };

    private void Head()
    {
        if (!_headed)
        {
            _headed = true;
            Line($"{"time [s]",12} {"type",-7} {"sequence",10} {"size",6}  {(full ? "hex" : "hex of the first 32 bytes; --full shows all")}");
        }
    }

    private void Line(FormattableString line) => output.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
