using System.Buffers;
using System.IO.Pipelines;
using BulkIn.Testing;

namespace BulkIn.Consumer;

/// <summary>A parser on the pipe: frames longer than all buffers together, and one byte at a time.</summary>
internal static class Piping
{
    private const int FrameLength = 10_000;

    public static async Task RunAsync()
    {
        using SimulatedEndpoint device = new();
        await using BulkInQueue queue = device.OpenQueue(new BulkInQueueOptions { Depth = 2, BufferLength = 1024, SpareBuffers = 1 });
        PipeReader pipe = queue.AsPipeReader();
        for (int frame = 0; frame < 3; frame++)
        {
            device.Deliver([.. Enumerable.Range(0, FrameLength).Select(i => (byte)(frame + i))]);
            ReadResult whole = await pipe.ReadAtLeastAsync(FrameLength);
            Expect.That(whole.Buffer.Length == FrameLength, $"a frame of {FrameLength} bytes, not {whole.Buffer.Length}");
            int at = 0;
            foreach (ReadOnlyMemory<byte> segment in whole.Buffer)
            {
                foreach (byte value in segment.Span)
                {
                    Expect.That(value == (byte)(frame + at++), $"the right byte at {at - 1} of frame {frame}");
                }
            }

            pipe.AdvanceTo(whole.Buffer.End);
        }

        device.Deliver([1, 2, 3]);
        for (byte expected = 1; expected <= 3; expected++)
        {
            Expect.That(pipe.TryRead(out ReadResult read) && read.Buffer.FirstSpan[0] == expected, $"byte {expected}");
            pipe.AdvanceTo(read.Buffer.GetPosition(1));
        }

        pipe.CancelPendingRead();
        Expect.That((await pipe.ReadAsync()).IsCanceled, "a canceled read");
        await queue.StopAsync();
        Expect.That((await pipe.ReadAsync()).IsCompleted, "the end");
        await pipe.CompleteAsync();
        Expect.That(queue.Statistics.Leases == 0, $"no lease left, not {queue.Statistics}");
    }
}
