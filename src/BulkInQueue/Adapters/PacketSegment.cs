using System.Buffers;
using System.Diagnostics;

namespace BulkIn.Adapters;

/// <summary>A segment of the pipe's buffer: a transfer's own buffer under a lease, or a block of pooled memory that unconsumed bytes were moved to.</summary>
/// <remarks>
/// <code>
/// empty --Lend--> lease --MoveTo--> block --Release--> empty
///                 lease --Release--> empty
/// </code>
/// </remarks>
internal sealed class PacketSegment : ReadOnlySequenceSegment<byte>
{
    private BulkInLease _lease;
    private byte[]? _block;

    public new PacketSegment? Next => (PacketSegment?)base.Next;

    public int Length => Memory.Length;

    public void Lend(in BulkInLease lease)
    {
        Debug.Assert(_block is null && Memory.IsEmpty, "Only an empty segment takes a lease.");
        _lease = lease;
        Memory = lease.Memory;
    }

    /// <summary>Lease → block; the transfer's buffer goes back to the queue.</summary>
    /// <param name="from">The first byte still wanted.</param>
    /// <param name="blockLength">Bytes of the block, to leave room for what follows; more when the bytes need it.</param>
    public void MoveTo(int from, int blockLength)
    {
        ReadOnlyMemory<byte> bytes = Memory[from..];
        _block = ArrayPool<byte>.Shared.Rent(Math.Max(blockLength, bytes.Length));
        bytes.Span.CopyTo(_block);
        Memory = _block.AsMemory(0, bytes.Length);
        _lease.Dispose();
        _lease = default;
    }

    /// <summary>Adds as many bytes as the block has room for.</summary>
    /// <returns>How many.</returns>
    public int Append(ReadOnlySpan<byte> bytes)
    {
        Debug.Assert(_block is not null, "Only a block has room.");
        int count = Math.Min(bytes.Length, _block!.Length - Length);
        bytes[..count].CopyTo(_block.AsSpan(Length));
        Memory = _block.AsMemory(0, Length + count);
        return count;
    }

    public void Follow(PacketSegment? previous)
    {
        if (previous is null)
        {
            RunningIndex = 0;
            return;
        }

        previous.SetNext(this);
        RunningIndex = previous.RunningIndex + previous.Length;
    }

    public void SetNext(PacketSegment? next) => base.Next = next;

    public void Release()
    {
        _lease.Dispose();
        _lease = default;
        if (_block is { } block)
        {
            _block = null;
            ArrayPool<byte>.Shared.Return(block);
        }

        Memory = default;
        base.Next = null;
        RunningIndex = 0;
    }
}
