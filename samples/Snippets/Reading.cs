using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using BulkIn;

namespace Snippets;

/// <summary>docs/consumers.md.</summary>
internal static class Reading
{
    public static void Block(BulkInQueue queue, CancellationToken stop)
    {
        Thread reader = new(() =>
        {
            byte[] buffer = new byte[queue.BufferLength];
            while (!stop.IsCancellationRequested)
            {
                BulkInResult result = queue.Recv(buffer, TimeSpan.FromMilliseconds(500));
                if (result.IsData)
                {
                    Handle(buffer.AsSpan(0, result.Length), result.EndOfMessage);
                }
            }
        });
        reader.Start();
    }

    public static async Task LeaseAsync(BulkInQueue queue, CancellationToken stop)
    {
        using BulkInLease lease = await queue.LeaseAsync(TimeSpan.FromSeconds(1), stop);
        if (lease.IsData)
        {
            Handle(lease.Span, lease.EndOfMessage);
        }
    }

    public static async Task EnumerateAsync(BulkInQueue queue, CancellationToken stop)
    {
        await foreach (BulkInLease packet in queue.ReadAllAsync(stop))
        {
            Handle(packet.Span, packet.EndOfMessage);
        }
    }

    public static async Task ParseAsync(BulkInQueue queue, CancellationToken stop)
    {
        PipeReader pipe = queue.AsPipeReader();
        ReadResult read;
        do
        {
            read = await pipe.ReadAsync(stop);
            ReadOnlySequence<byte> buffer = read.Buffer;
            while (TryParse(ref buffer, out ReadOnlySequence<byte> record))
            {
                Handle(record);
            }

            pipe.AdvanceTo(buffer.Start, buffer.End);
        }
        while (!read.IsCompleted);

        await pipe.CompleteAsync();
    }

    public static async Task ParseAcrossFaultsAsync(PipeReader pipe)
    {
        try
        {
            _ = await pipe.ReadAsync();
        }
        catch (BulkInException fault) when (fault.RecoversByItself)
        {
            if (pipe.TryRead(out ReadResult rest))
            {
                pipe.AdvanceTo(rest.Buffer.End);
            }
        }
    }

    public static async Task ReadLinesAsync(BulkInQueue queue, CancellationToken stop)
    {
        using StreamReader lines = new(queue.AsStream(), Encoding.ASCII);
        while (await lines.ReadLineAsync(stop) is { } line)
        {
            Console.WriteLine(line);
        }
    }

    public static async Task ReadMessagesAsync(BulkInQueue queue, CancellationToken stop)
    {
        ArrayBufferWriter<byte> writer = new();
        while ((await queue.ReadMessageAsync(writer, stop)).IsComplete)
        {
            Handle(writer.WrittenSpan, endOfMessage: true);
            writer.ResetWrittenCount();
        }
    }

    public static async Task PumpAsync(BulkInQueue queue, CancellationToken stop)
    {
        await using BulkInPump pump = queue.StartPump(capacity: 256, BulkInPumpFullMode.Wait);
        await HandshakeAsync();
        await foreach (BulkInLease packet in pump.Reader.ReadAllAsync(stop))
        {
            using (packet)
            {
                Handle(packet.Span, packet.EndOfMessage);
            }
        }
    }

    private static Task HandshakeAsync() => Task.CompletedTask;

    private static bool TryParse(ref ReadOnlySequence<byte> buffer, out ReadOnlySequence<byte> record)
    {
        record = buffer.Slice(0, Math.Min(8, buffer.Length));
        bool whole = record.Length == 8;
        buffer = whole ? buffer.Slice(8) : buffer;
        return whole;
    }

    private static void Handle(ReadOnlySequence<byte> record) => Console.WriteLine($"{record.Length} bytes");

    private static void Handle(ReadOnlySpan<byte> data, bool endOfMessage) => Console.WriteLine($"{data.Length} bytes {(endOfMessage ? "end" : "more")}");
}
