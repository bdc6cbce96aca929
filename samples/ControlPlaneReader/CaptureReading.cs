using System.Globalization;
using BulkIn;
using BulkIn.Testing;

namespace ControlPlaneReader;

/// <summary>What to replay, as the command line says it.</summary>
internal sealed record CaptureRequest(string Path, byte Endpoint, (int Bus, int Device)? Source, bool RealTime, int Depth, int? Buffer);

/// <summary><c>--capture</c>: replays a recording through a real queue.</summary>
internal static class CaptureReading
{
    // A recorded fault is followed by what the capturing host did about it: waiting again would only be slow, and giving up would lose the rest.
    private const int Attempts = 1000;

    public static async Task<int> RunAsync(CaptureRequest request, IReport report, TextWriter notes, CancellationToken stop)
    {
        using CaptureReplay replay = Open(request);
        string source = string.Create(
            CultureInfo.InvariantCulture,
            $"{Path.GetFileName(request.Path)}, bus {replay.Source.Bus} device {replay.Source.Device} endpoint 0x{replay.Source.Address:x2}");
        NoteOthers(replay, request, notes);

        BulkInQueue queue;
        try
        {
            queue = BulkInQueue.Open(
                replay,
                new BulkInQueueOptions
                {
                    Depth = request.Depth,
                    BufferLength = request.Buffer ?? replay.RecommendedBufferLength,
                    RecoveryAttempts = Attempts,
                    RecoveryBackoff = TimeSpan.Zero,
                });
        }
        catch (ArgumentException exception)
        {
            throw new ProblemException(ExitCode.Usage, Problem.FirstLine(exception.Message));
        }

        await using (queue)
        {
            var reading = new ControlPlane(queue, report) { AlwaysRecover = true, Facts = result => FactsOf(replay, result) };
            ReadingEnd end = await reading.RunAsync(stop);
            if (end == ReadingEnd.Unplugged)
            {
                end = replay.End == CaptureReplayEnd.RecordingEnded ? ReadingEnd.RecordingEnded : end;
                if (replay.Failure is { } failure)
                {
                    throw Problem.OfCapture(request.Path, failure);
                }
            }

            report.OnSummary(new Summary
            {
                Source = source,
                End = end,
                Frames = reading.Frames,
                Faults = reading.Faults,
                Depth = queue.Depth,
                BufferLength = queue.BufferLength,
                Elapsed = reading.Elapsed,
                Queue = queue.Statistics,
                Recording = replay.Statistics,
            });
            report.Flush();
            return ExitCode.Done;
        }
    }

    private static CaptureReplay Open(CaptureRequest request)
    {
        try
        {
            return CaptureReplay.Open(
                request.Path,
                new CaptureReplayOptions
                {
                    Endpoint = request.Endpoint,
                    Bus = request.Source?.Bus,
                    Device = request.Source?.Device,
                    RealTime = request.RealTime,
                    NoteDeliveries = true,
                });
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw Problem.OfCapture(request.Path, exception);
        }
    }

    private static TransferFacts FactsOf(CaptureReplay replay, in BulkInResult result) => replay.TryTakeDelivery(out CaptureDelivery delivery)
        ? new TransferFacts(delivery.Time, delivery.RecordedEndOfMessage ?? result.EndOfMessage, delivery.MissingLength)
        : throw new InvalidOperationException($"Transfer {result.Sequence} was not delivered by the replay.");

    private static void NoteOthers(CaptureReplay replay, CaptureRequest request, TextWriter notes)
    {
        if (request.Source is null && replay.Endpoints.Count(endpoint => endpoint.Address == request.Endpoint) is > 1 and int count)
        {
            notes.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"note: {count} devices of the capture have endpoint 0x{request.Endpoint:x2}; reading the first, {replay.Source.Bus}:{replay.Source.Device} (--source chooses)"));
        }
    }
}
