using System.Buffers.Binary;
using System.Globalization;
using System.Text.Json;
using BulkIn;
using BulkIn.Testing;

namespace ControlPlaneReader;

/// <summary>How one way of reading the simulated dock went.</summary>
/// <param name="Outs">OUT messages accepted.</param>
/// <param name="Replies">Frames read.</param>
/// <param name="RepliesProduced">Frames the dock made.</param>
/// <param name="PostedLeast">The fewest IN transfers on the bus, from the first one on.</param>
/// <param name="PostedMost">The most.</param>
/// <param name="StalledBy">Who waits for whom, or null when everything went through.</param>
internal sealed record DockRun(long Outs, long Replies, long RepliesProduced, int PostedLeast, int PostedMost, string? StalledBy);

/// <summary>No options: the same dock and the same OUT messages, read one transfer at a time and then through the queue.</summary>
internal static class DockComparison
{
    private const int Outs = 100;
    private const int RepliesForEach = 2;
    private const int FifoReplies = 4;
    private const int AnswerLength = 48;
    private const int TraceLength = 64;
    private const ushort PlainSubtype = 0x25;

    // The hosts' patience with an OUT that is NAKed, in virtual time: a driver's usual control timeout.
    private static readonly TimeSpan OutTimeout = TimeSpan.FromSeconds(1);

    public static async Task<int> RunAsync(int depth, int bufferLength, bool json, TextWriter output, CancellationToken stop)
    {
        int packet = new SimulatedDockOptions().Endpoint.MaxPacketSize;
        if (bufferLength % packet != 0)
        {
            throw new ProblemException(
                ExitCode.Usage,
                string.Create(CultureInfo.InvariantCulture, $"--buffer {bufferLength}: a multiple of the simulated dock's max packet size of {packet} is expected, for example {(bufferLength / packet + 1) * packet}."));
        }

        DockRun single = await ReadOneAtATimeAsync(bufferLength, stop);
        DockRun queue = await ReadThroughQueueAsync(depth, bufferLength, stop);
        if (json)
        {
            await output.WriteLineAsync(JsonSerializer.Serialize(
                new ComparisonLine("comparison", Outs, RepliesForEach, FifoReplies, depth, bufferLength, single, queue),
                JsonLines.Default.ComparisonLine));
        }
        else
        {
            Print(output, depth, single, queue);
        }

        await output.FlushAsync(stop);
        return queue.StalledBy is null && queue.Replies == Outs * RepliesForEach
            ? ExitCode.Done
            : throw new ProblemException(ExitCode.Failed, $"the queue did not get everything through: {queue.StalledBy ?? "replies are missing"}");
    }

    /// <summary>The classical host: write, read one reply, write, read one reply. Between the reads nothing is posted.</summary>
    private static async Task<DockRun> ReadOneAtATimeAsync(int bufferLength, CancellationToken stop)
    {
        var clock = new VirtualClock();
        using SimulatedDock dock = CreateDock(clock);
        using var reader = new OneAtATimeReader(dock.Endpoint.Backend, bufferLength, clock);
        byte[] buffer = new byte[bufferLength];
        long replies = 0;
        string? stalledBy = null;
        for (int i = 0; i < Outs && stalledBy is null; i++)
        {
            Task<bool> write = dock.WriteAsync(Request(i), OutTimeout, stop);
            string? waiting = null;
            if (!write.IsCompleted)
            {
                // Nobody but this host can make room, and this host waits for its OUT: the second passes and nothing moves.
                waiting = dock.Diagnose().ToString();
                clock.Advance(OutTimeout);
            }

            if (!await write)
            {
                stalledBy = waiting ?? dock.Diagnose().ToString();
            }
            else if (await reader.ReadAsync(buffer, OutTimeout, stop) is not null)
            {
                replies++;
            }
        }

        return Describe(dock, replies, stalledBy);
    }

    /// <summary>The same host with a queue: it writes, then takes whatever has arrived. Reads stay posted all the while.</summary>
    private static async Task<DockRun> ReadThroughQueueAsync(int depth, int bufferLength, CancellationToken stop)
    {
        var clock = new VirtualClock();
        using SimulatedDock dock = CreateDock(clock);
        await using BulkInQueue queue = dock.Endpoint.OpenQueue(new BulkInQueueOptions { Depth = depth, BufferLength = bufferLength, TimeProvider = clock });
        dock.Endpoint.ResetStatistics();
        var frames = new FrameAssembler(new SilentSink());
        byte[] buffer = new byte[bufferLength];
        string? stalledBy = null;
        for (int i = 0; i < Outs && stalledBy is null; i++)
        {
            Task<bool> write = dock.WriteAsync(Request(i), OutTimeout, stop);
            string? waiting = null;
            if (!write.IsCompleted)
            {
                waiting = dock.Diagnose().ToString();
                clock.Advance(OutTimeout);
            }

            stalledBy = await write ? null : waiting ?? dock.Diagnose().ToString();
            while (queue.TryRecv(buffer, out BulkInResult result) && result.IsData)
            {
                frames.Add(buffer.AsSpan(0, result.Length), new TransferFacts(clock.Now, result.EndOfMessage));
            }
        }

        frames.End();
        return Describe(dock, frames.Frames, stalledBy);
    }

    private static DockRun Describe(SimulatedDock dock, long replies, string? stalledBy) =>
        new(dock.OutsAccepted, replies, dock.RepliesProduced, dock.Endpoint.PostedMinimum, dock.Endpoint.PostedMaximum, stalledBy);

    private static SimulatedDock CreateDock(TimeProvider time)
    {
        var defaults = new SimulatedDockOptions();
        return new SimulatedDock(defaults with
        {
            Endpoint = defaults.Endpoint with { TimeProvider = time },
            FifoReplies = FifoReplies,
            Replies = static (number, _) => [Frame((uint)number, AnswerLength), Frame((uint)number, TraceLength)],
        });
    }

    private static byte[] Request(int number) => Frame((uint)number, FrameHeader.Length);

    private static byte[] Frame(uint sequence, int length)
    {
        byte[] frame = new byte[length];
        BinaryPrimitives.WriteUInt16LittleEndian(frame.AsSpan(2), (ushort)(length - 4));
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(4), 4);
        BinaryPrimitives.WriteUInt16LittleEndian(frame.AsSpan(8), PlainSubtype);
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(12), sequence);
        return frame;
    }

    private static void Print(TextWriter output, int depth, DockRun single, DockRun queue)
    {
        Line($"A simulated dock answers each OUT message with {RepliesForEach} frames: its answer, and a trace line nobody asked for.");
        Line($"Its FIFO holds {FifoReplies} frames. While that is full, the dock NAKs OUT.");
        output.WriteLine();
        Row("", "one transfer at a time", "BulkInQueue");
        Row("reads posted in advance", "none: one inside each read call", string.Create(CultureInfo.InvariantCulture, $"depth {depth}"));
        Row("IN transfers on the bus", Range(single), Range(queue));
        Row("OUT messages accepted", Of(single.Outs, Outs), Of(queue.Outs, Outs));
        Row("frames received", Of(single.Replies, single.RepliesProduced), Of(queue.Replies, queue.RepliesProduced));
        Row("outcome", single.StalledBy is null ? "complete" : "STALLED", queue.StalledBy is null ? "complete" : "STALLED");
        output.WriteLine();
        if (single.StalledBy is { } why)
        {
            Line($"Why it stalls: {why}");
            Line($"The host waits in its OUT transfer and posts no read; the dock waits for a read and takes no OUT. Both wait for ever.");
            Line($"The queue keeps reads posted whatever the host does, so the FIFO drains and OUT goes on.");
        }

        void Line(FormattableString line) => output.WriteLine(line.ToString(CultureInfo.InvariantCulture));
        void Row(string name, string first, string second) => Line($"  {name,-24} {first,-33} {second}");
        static string Range(DockRun run) => string.Create(CultureInfo.InvariantCulture, $"{run.PostedLeast} to {run.PostedMost}");
        static string Of(long part, long whole) => string.Create(CultureInfo.InvariantCulture, $"{part} of {whole}");
    }

    /// <summary>The comparison counts frames and shows none.</summary>
    private sealed class SilentSink : IFrameSink
    {
        public void OnFrame(in FrameHeader header, ReadOnlySpan<byte> bytes, TimeSpan time)
        {
        }

        public void OnMalformed(ReadOnlySpan<byte> bytes, string reason, TimeSpan time)
        {
        }
    }
}
