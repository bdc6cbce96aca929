using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;

namespace BulkIn.Consumer;

/// <summary>
/// Every way to read on a device of one's own, one after the other on one queue: each goes on where the last one ended. The device sends short packets of one length for ever, and each
/// begins with its number.
/// </summary>
internal sealed class OnDevice(BulkInQueue queue)
{
    private const int Each = 20;
    private const int Length = 4000;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private long _next;

    public static async Task RunAsync(string busPath)
    {
        await using LibUsbDevice device = LibUsbDevice.Open(busPath);
        device.ClaimInterface(0);
        await using BulkInQueue queue = device.OpenBulkInQueue(0x84, depth: 4, bufferLength: 16 * 1024);
        OnDevice use = new(queue);
        await use.ReceiveAsync();
        await use.LeaseAsync();
        await use.EnumerateAsync();
        await use.PipeAsync();
        await use.StreamAsync();
        await use.MessageAsync();
        await use.PumpAsync();
        Expect.That(queue.Statistics is { Leases: 0, Faults: 0, OutOfOrderCompletions: 0 }, $"no lease out and no fault, not {queue.Statistics}");
        Console.WriteLine($"{use._next} packets of {Length} bytes by RecvAsync, LeaseAsync, ReadAllAsync, AsPipeReader, AsStream, ReadMessageAsync and StartPump");
    }

    private async Task ReceiveAsync()
    {
        byte[] buffer = new byte[queue.BufferLength];
        for (int i = 0; i < Each; i++)
        {
            BulkInResult result = await queue.RecvAsync(buffer, Patience);
            Check(buffer.AsSpan(0, result.Length));
        }
    }

    private async Task LeaseAsync()
    {
        for (int i = 0; i < Each; i++)
        {
            using BulkInLease lease = await queue.LeaseAsync(Patience);
            Check(lease.Span);
        }
    }

    private async Task EnumerateAsync()
    {
        int left = Each;
        await foreach (BulkInLease packet in queue.ReadAllAsync())
        {
            Check(packet.Span);
            if (--left == 0)
            {
                break;
            }
        }
    }

    private async Task PipeAsync()
    {
        PipeReader pipe = queue.AsPipeReader();
        ReadResult read = await pipe.ReadAtLeastAsync(Each * Length);
        ReadOnlySequence<byte> bytes = read.Buffer;
        while (!bytes.IsEmpty)
        {
            Check(bytes.Slice(0, Length).ToArray());
            bytes = bytes.Slice(Length);
        }

        pipe.AdvanceTo(read.Buffer.End);
        await pipe.CompleteAsync();
    }

    private async Task StreamAsync()
    {
        await using Stream stream = queue.AsStream();
        byte[] packet = new byte[Length];
        for (int i = 0; i < Each; i++)
        {
            await stream.ReadExactlyAsync(packet);
            Check(packet);
        }
    }

    private async Task MessageAsync()
    {
        ArrayBufferWriter<byte> writer = new();
        for (int i = 0; i < Each; i++)
        {
            BulkInMessage message = await queue.ReadMessageAsync(writer, queue.BufferLength, Patience);
            Expect.That(message is { IsComplete: true, Transfers: 1 }, $"a whole message, not {message}");
            Check(writer.WrittenSpan);
            writer.ResetWrittenCount();
        }
    }

    private async Task PumpAsync()
    {
        await using BulkInPump pump = queue.StartPump(Each);
        using CancellationTokenSource bound = new(TimeSpan.FromSeconds(30));
        while (pump.Reader.Count < Each)
        {
            await Task.Delay(1, bound.Token);
        }

        for (int i = 0; i < Each; i++)
        {
            using BulkInLease packet = await pump.Reader.ReadAsync();
            Check(packet.Span);
        }

        Expect.That(pump.Dropped == 0, $"nothing dropped, not {pump.Dropped}");
    }

    private void Check(ReadOnlySpan<byte> packet)
    {
        Expect.That(packet.Length == Length, $"packet {_next} of {Length} bytes, not {packet.Length}");
        long number = BinaryPrimitives.ReadInt64LittleEndian(packet);
        Expect.That(number == _next, $"packet {_next}, not {number}");
        _next++;
    }
}
