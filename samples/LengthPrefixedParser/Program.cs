using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using BulkIn;
using BulkIn.Testing;
using LengthPrefixedParser;

// Runs without hardware: a simulated device sends frames of 0 to 40,000 bytes, cut into messages that have nothing to do with the frames.
const int Frames = 500;
using SimulatedEndpoint device = new();
await using BulkInQueue queue = device.OpenQueue(new BulkInQueueOptions { Depth = 4, BufferLength = 4096 });
long sent = Send(device, Frames);

PipeReader pipe = queue.AsPipeReader();
FrameReader frames = new(pipe);
int count = 0;
long bytes = 0;
int longest = 0;
await foreach (ReadOnlySequence<byte> frame in frames.ReadAllAsync())
{
    bytes += frame.Length;
    longest = Math.Max(longest, (int)frame.Length);
    if (++count == Frames)
    {
        break;
    }
}

await pipe.CompleteAsync();
Console.WriteLine($"{count} frames, {bytes} bytes, the longest {longest}: {queue.Statistics.Transfers} transfers through {queue.Depth} slots of {queue.BufferLength} bytes.");
return count == Frames && bytes == sent ? 0 : 1;

static long Send(SimulatedEndpoint device, int frames)
{
    Random random = new(1);
    ArrayBufferWriter<byte> stream = new();
    long payload = 0;
    for (int i = 0; i < frames; i++)
    {
        int length = i % 50 == 0 ? random.Next(40_000) : random.Next(200);
        BinaryPrimitives.WriteUInt16LittleEndian(stream.GetSpan(2), (ushort)length);
        stream.Advance(2);
        stream.GetSpan(length)[..length].Fill((byte)i);
        stream.Advance(length);
        payload += length;
    }

    for (ReadOnlySpan<byte> left = stream.WrittenSpan; !left.IsEmpty;)
    {
        int piece = Math.Min(left.Length, random.Next(1, 3000));
        device.Deliver(left[..piece]);
        left = left[piece..];
    }

    return payload;
}
