using System.Buffers;
using System.Diagnostics;

namespace BulkIn.Adapters;

/// <summary>
/// The unconsumed bytes of a pipe, in order: first blocks that older bytes were moved to, then transfers' own buffers. One thread at a time.
/// </summary>
/// <param name="retained">Leases that <see cref="Trim"/> leaves.</param>
/// <param name="blockLength">Bytes of a block.</param>
internal sealed class PacketBuffer(int retained, int blockLength)
{
    private readonly Stack<PacketSegment> _spare = new();
    private PacketSegment? _head;
    private PacketSegment? _tail;

    // The last of the blocks; what follows it is leased.
    private PacketSegment? _lastBlock;
    private int _headIndex;
    private int _leases;

    /// <summary>Unconsumed bytes.</summary>
    public long Length => _head is null ? 0 : _tail!.RunningIndex + _tail.Length - _head.RunningIndex - _headIndex;

    /// <summary>True when there are bytes that the parser has not looked at.</summary>
    public bool HasNews { get; private set; }

    public ReadOnlySequence<byte> Sequence => _head is null ? default : new ReadOnlySequence<byte>(_head, _headIndex, _tail!, _tail!.Length);

    /// <summary>Takes the lease over.</summary>
    public void Append(in BulkInLease lease)
    {
        Debug.Assert(lease.Length > 0, "A segment is never empty.");
        PacketSegment segment = _spare.TryPop(out PacketSegment? spare) ? spare : new PacketSegment();
        segment.Lend(lease);
        segment.Follow(_tail);
        if (_head is null)
        {
            _head = segment;
            _headIndex = 0;
        }

        _tail = segment;
        _leases++;
        HasNews = true;
    }

    /// <summary>What is here counts as news again.</summary>
    public void Refresh() => HasNews = _head is not null;

    /// <summary>Gives up everything before <paramref name="consumed"/>.</summary>
    /// <exception cref="InvalidOperationException">A position is not of <see cref="Sequence"/>, or examined lies before consumed.</exception>
    public void Advance(SequencePosition consumed, SequencePosition examined)
    {
        // The positions of an empty buffer.
        if (consumed.GetObject() is null)
        {
            return;
        }

        (PacketSegment consumedSegment, int consumedIndex) = Locate(consumed);
        (PacketSegment examinedSegment, int examinedIndex) = Locate(examined);

        // By distance, because a position between two segments has two forms.
        if (examinedSegment.RunningIndex + examinedIndex < consumedSegment.RunningIndex + consumedIndex)
        {
            throw new InvalidOperationException("The examined position lies before the consumed one.");
        }

        HasNews = examinedSegment != _tail || examinedIndex != examinedSegment.Length;
        while (_head != consumedSegment)
        {
            DropHead();
        }

        _headIndex = consumedIndex;
        if (_headIndex == consumedSegment.Length)
        {
            DropHead();
        }
    }

    /// <summary>Moves the oldest leased bytes to blocks until no more leases are kept than the queue can spare.</summary>
    public void Trim()
    {
        while (_leases > retained)
        {
            PacketSegment oldest = _lastBlock is null ? _head! : _lastBlock.Next!;
            int from = _lastBlock is null ? _headIndex : 0;
            int moved = _lastBlock?.Append(oldest.Memory.Span[from..]) ?? 0;
            if (from + moved == oldest.Length)
            {
                Remove(oldest);
            }
            else
            {
                oldest.MoveTo(from + moved, blockLength);
                if (_lastBlock is null)
                {
                    _headIndex = 0;
                }
                else
                {
                    oldest.Follow(_lastBlock);
                }

                _lastBlock = oldest;
            }

            _leases--;
            for (PacketSegment previous = _lastBlock!; previous.Next is { } next; previous = next)
            {
                next.Follow(previous);
            }
        }
    }

    /// <summary>Gives up everything.</summary>
    /// <returns>The bytes that were unconsumed.</returns>
    public long Clear()
    {
        long length = Length;
        while (_head is not null)
        {
            DropHead();
        }

        HasNews = false;
        return length;
    }

    private (PacketSegment Segment, int Index) Locate(SequencePosition position)
    {
        int index = position.GetInteger();
        for (PacketSegment? segment = _head; segment is not null; segment = segment.Next)
        {
            if (ReferenceEquals(segment, position.GetObject()) && index >= (segment == _head ? _headIndex : 0) && index <= segment.Length)
            {
                return (segment, index);
            }
        }

        throw new InvalidOperationException("The position is not in the buffer of the last read.");
    }

    /// <summary>After its bytes were appended to the block before it.</summary>
    private void Remove(PacketSegment segment)
    {
        _lastBlock!.SetNext(segment.Next);
        if (segment == _tail)
        {
            _tail = _lastBlock;
        }

        Recycle(segment);
    }

    private void DropHead()
    {
        PacketSegment dropped = _head!;
        PacketSegment? next = dropped.Next;
        if (_lastBlock is null)
        {
            _leases--;
        }
        else if (_lastBlock == dropped)
        {
            _lastBlock = null;
        }

        _head = next;
        _headIndex = 0;
        if (next is null)
        {
            _tail = null;
            HasNews = false;
        }

        Recycle(dropped);
    }

    private void Recycle(PacketSegment segment)
    {
        segment.Release();
        _spare.Push(segment);
    }
}
