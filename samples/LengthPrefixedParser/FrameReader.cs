using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using BulkIn;

namespace LengthPrefixedParser;

/// <summary>
/// Frames of a little-endian 16-bit length and that many bytes, out of a stream in which a frame may start and end anywhere: many in one transfer, or one over
/// many transfers.
/// </summary>
/// <param name="pipe">The bytes, from <see cref="BulkInQueue.AsPipeReader"/>. The caller completes it.</param>
internal sealed class FrameReader(PipeReader pipe)
{
    private const int PrefixLength = 2;

    /// <summary>How often a fault cost bytes; the device starts with a whole frame after it.</summary>
    public int Gaps { get; private set; }

    /// <summary>The frames' bytes. A frame is valid until the next one is asked for: it lies in the buffers that the transfers were received into.</summary>
    public async IAsyncEnumerable<ReadOnlySequence<byte>> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (true)
        {
            ReadResult read;
            try
            {
                read = await pipe.ReadAsync(cancellationToken);
            }
            catch (BulkInException fault) when (fault.RecoversByItself)
            {
                // The frame in progress will never be whole: what came of it before the gap is dropped.
                Gaps++;
                if (pipe.TryRead(out ReadResult rest))
                {
                    pipe.AdvanceTo(rest.Buffer.End);
                }

                continue;
            }

            ReadOnlySequence<byte> buffer = read.Buffer;
            while (TryTakeFrame(ref buffer, out ReadOnlySequence<byte> frame))
            {
                yield return frame;
            }

            // Consumed up to the frame in progress, examined to the end: the next read brings more of it.
            pipe.AdvanceTo(buffer.Start, buffer.End);
            if (read.IsCompleted)
            {
                yield break;
            }
        }
    }

    private static bool TryTakeFrame(ref ReadOnlySequence<byte> buffer, out ReadOnlySequence<byte> frame)
    {
        frame = default;
        if (buffer.Length < PrefixLength)
        {
            return false;
        }

        Span<byte> prefix = stackalloc byte[PrefixLength];
        buffer.Slice(0, PrefixLength).CopyTo(prefix);
        int length = BinaryPrimitives.ReadUInt16LittleEndian(prefix);
        if (buffer.Length < PrefixLength + length)
        {
            return false;
        }

        frame = buffer.Slice(PrefixLength, length);
        buffer = buffer.Slice(frame.End);
        return true;
    }
}
