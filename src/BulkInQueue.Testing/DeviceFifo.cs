using System.Runtime.InteropServices;

namespace BulkIn.Testing;

/// <summary>
/// The bytes a device holds while no transfer takes them, with the places where short packets end them. Not thread-safe: the endpoint's lock covers it.
/// </summary>
internal sealed class DeviceFifo
{
    private readonly Queue<Run> _runs = new();
    private byte[] _bytes = [];
    private int _first;
    private Run _head;
    private bool _hasHead;

    /// <summary>Bytes held.</summary>
    internal int Count { get; private set; }

    /// <summary>Messages of which something is still held, zero-length packets included.</summary>
    internal int Messages { get; private set; }

    /// <summary>Messages that went out whole, ever.</summary>
    internal long MessagesTaken { get; private set; }

    /// <summary>True when neither bytes nor a zero-length packet wait.</summary>
    internal bool IsEmpty => !_hasHead;

    /// <summary>Takes a message: full packets and a last one that may be short.</summary>
    internal void Append(ReadOnlySpan<byte> message, int maxPacketSize, bool zeroLengthPacket)
    {
        Reserve(message.Length);
        int start = (_first + Count) % Math.Max(1, _bytes.Length);
        int contiguous = Math.Min(message.Length, _bytes.Length - start);
        message[..contiguous].CopyTo(_bytes.AsSpan(start));
        message[contiguous..].CopyTo(_bytes);
        Count += message.Length;

        bool marked = message.Length == 0 || message.Length % maxPacketSize != 0;
        if (message.Length > 0)
        {
            Push(new Run(message.Length, EndsShort: marked, EndsMessage: marked || !zeroLengthPacket));
        }

        if (message.Length == 0 || (zeroLengthPacket && !marked))
        {
            Push(new Run(0, EndsShort: true, EndsMessage: true));
        }

        Messages++;
    }

    /// <summary>Moves packets into a transfer's remaining room, a positive multiple of the max packet size.</summary>
    /// <returns>Bytes moved, and whether the last packet was short or empty.</returns>
    internal (int Moved, bool EndsShort) Fill(Span<byte> room)
    {
        int moved = Math.Min(_head.Length, room.Length);
        if (moved > 0)
        {
            int contiguous = Math.Min(moved, _bytes.Length - _first);
            _bytes.AsSpan(_first, contiguous).CopyTo(room);
            _bytes.AsSpan(0, moved - contiguous).CopyTo(room[contiguous..]);
            _first = (_first + moved) % _bytes.Length;
            Count -= moved;
        }

        Run rest = _head with { Length = _head.Length - moved };
        if (rest.Length > 0)
        {
            _head = rest;
            return (moved, EndsShort: false);
        }

        if (_head.EndsMessage)
        {
            Messages--;
            MessagesTaken++;
        }

        _hasHead = _runs.TryDequeue(out _head);
        return (moved, rest.EndsShort);
    }

    internal void Clear()
    {
        _runs.Clear();
        _hasHead = false;
        _head = default;
        _first = 0;
        Count = 0;
        Messages = 0;
    }

    private void Push(Run run)
    {
        if (_hasHead)
        {
            _runs.Enqueue(run);
        }
        else
        {
            _head = run;
            _hasHead = true;
        }
    }

    private void Reserve(int more)
    {
        int needed = checked(Count + more);
        if (needed <= _bytes.Length)
        {
            return;
        }

        byte[] larger = new byte[(int)Math.Min(Array.MaxLength, Math.Max(1024L, Math.Max(needed, 2L * _bytes.Length)))];
        int contiguous = Math.Min(Count, _bytes.Length - _first);
        _bytes.AsSpan(_first, contiguous).CopyTo(larger);
        _bytes.AsSpan(0, Count - contiguous).CopyTo(larger.AsSpan(contiguous));
        _bytes = larger;
        _first = 0;
    }

    /// <param name="Length">Bytes left.</param>
    /// <param name="EndsShort">The last packet is short or empty, which ends the transfer it is in.</param>
    /// <param name="EndsMessage">Nothing of the message follows.</param>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Run(int Length, bool EndsShort, bool EndsMessage);
}
