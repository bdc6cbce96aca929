namespace BulkIn.Soak;

/// <summary>
/// Puts messages together from pieces of transfers and judges them. Transfers are numbered without a gap, and so are the faults' positions among them. Messages only
/// rise; a missing or broken one needs a fault that was reported less than a queue's depth of transfers before it (the failures of one generation are one fault, at
/// the first of them), a device that was changed during a pause, or one that was opened anew.
/// </summary>
/// <param name="isLostUnseen">True of messages that nobody above the kernel can know to be lost; none by default.</param>
internal sealed class MessageVerifier(Func<long, bool>? isLostUnseen = null)
{
    // What came last, for the one who has to understand a violation.
    private const int Remembered = 12;

    private readonly Queue<Seen> _lately = new(Remembered + 1);
    private readonly byte[] _header = new byte[NumberedMessage.HeaderLength];
    private int _depth;
    private long _transfer = -1;
    private long? _fault;

    // Each until it covers nothing any more: a second pause may come while what arrived before the first is still being received.
    private readonly Queue<long> _changes = [];

    // The message being put together.
    private long _number;
    private int _length;
    private int _have;

    // Until a transfer begins a message.
    private bool _skips = true;
    private bool _isFresh = true;

    /// <summary>Whole messages received.</summary>
    public long Messages { get; private set; }

    /// <summary>Places where messages were missing, each covered.</summary>
    public long Gaps { get; private set; }

    public long Transfers { get; private set; }

    /// <summary>Messages missing or broken of which nobody above the kernel could know.</summary>
    public long LostUnseen { get; private set; }

    private string LastFault => _fault is { } position ? $"the last one was before transfer {position}" : "there was none since the queue was opened";

    private bool IsCovered => _isFresh || Covers(_fault) || _changes.Any(change => Covers(change));

    private long NextNumber { get; set; }

    /// <summary>A queue was opened: its transfers are numbered from 0, and what the last one held is gone.</summary>
    public void Opened(int depth)
    {
        _depth = depth;
        _transfer = -1;
        _fault = null;
        _changes.Clear();
        _isFresh = true;
        _skips = true;
        _have = 0;
    }

    /// <summary>A fault was reported.</summary>
    /// <param name="position">The number that the next transfer gets.</param>
    public void Fault(long position)
    {
        // One that the queue gave up on is told again at the end of what had arrived, with its own position.
        if (position != _transfer + 1 && position != _fault)
        {
            throw Violation($"A fault was reported after transfer {_transfer}, but says that transfer {position} is the next.");
        }

        _fault = position;
        Remember(new Seen(position, SeenKind.Fault));
    }

    /// <summary>The device was changed while the queue was paused, and may have lost what it was about to send.</summary>
    /// <param name="position">The number that the next transfer gets, behind those the queue holds.</param>
    public void Changed(long position)
    {
        while (_changes.TryPeek(out long past) && _transfer - past >= _depth)
        {
            _ = _changes.Dequeue();
        }

        _changes.Enqueue(position);
        Remember(new Seen(position, SeenKind.Change));
    }


    /// <summary>A piece of a transfer was received.</summary>
    public void Receive(long transfer, ReadOnlySpan<byte> piece, bool isUntrusted)
    {
        bool begins = transfer != _transfer;
        if (begins && transfer != _transfer + 1)
        {
            throw Violation($"Transfer {transfer} came after transfer {_transfer}.");
        }

        if (transfer < _fault)
        {
            throw Violation($"A piece of transfer {transfer} came after the fault that was to follow it.");
        }

        Transfers += begins ? 1 : 0;
        _transfer = transfer;
        Remember(new Seen(transfer, SeenKind.Piece, piece.Length, begins && NumberedMessage.TryRead(piece, out long first, out _) ? first : -1));
        if (isUntrusted)
        {
            // A message with untrusted bytes is no message. The overflow's fault, which must follow, covers it.
            _skips = true;
            _have = 0;
            return;
        }

        if (begins && piece.Length > 0 && piece[0] == NumberedMessage.First)
        {
            if (_have > 0 && !IsCovered && !IsLostUnseen(_number, _number))
            {
                throw Violation($"Message {_number} breaks off after {_have} of {_length} bytes before transfer {transfer}, and no fault says so ({LastFault}).");
            }

            _have = 0;
            _skips = false;
        }

        if (!_skips)
        {
            Append(piece);
        }
    }

    private void Remember(Seen seen)
    {
        _lately.Enqueue(seen);
        if (_lately.Count > Remembered)
        {
            _ = _lately.Dequeue();
        }
    }

    private StreamViolationException Violation(string what) => new($"{what} The queue is {_depth} deep. Before that: {string.Join(", ", _lately)}.");

    /// <summary>True when the device says so of each of them.</summary>
    private bool IsLostUnseen(long first, long last)
    {
        for (long message = first; message <= last; message++)
        {
            if (isLostUnseen?.Invoke(message) != true)
            {
                return false;
            }
        }

        LostUnseen += last - first + 1;
        return true;
    }

    private bool Covers(long? position) => position is { } at && _transfer >= at && _transfer - at < _depth;

    private void Append(ReadOnlySpan<byte> piece)
    {
        while (piece.Length > 0)
        {
            int taken;
            if (_have < NumberedMessage.HeaderLength)
            {
                taken = Math.Min(piece.Length, NumberedMessage.HeaderLength - _have);
                piece[..taken].CopyTo(_header.AsSpan(_have));
                if (_have + taken == NumberedMessage.HeaderLength)
                {
                    Begin();
                }
            }
            else
            {
                taken = Math.Min(piece.Length, _length - _have);
                if (!NumberedMessage.Matches(piece[..taken], _number, _have))
                {
                    throw Violation($"Message {_number} has wrong bytes at {_have} to {_have + taken - 1}, in transfer {_transfer}.");
                }
            }

            _have += taken;
            piece = piece[taken..];
            if (_have >= NumberedMessage.HeaderLength && _have == _length)
            {
                _have = 0;
                Messages++;
                if (piece.Length > 0)
                {
                    throw Violation($"{piece.Length} bytes follow message {_number} in transfer {_transfer}, which its end should have ended.");
                }
            }
        }
    }

    private void Begin()
    {
        if (!NumberedMessage.TryRead(_header, out _number, out _length))
        {
            throw Violation($"Transfer {_transfer} begins with no message: {Convert.ToHexString(_header)}.");
        }

        if (_number < NextNumber)
        {
            throw Violation($"Message {_number} came after message {NextNumber - 1}: duplicated or out of order, in transfer {_transfer}.");
        }

        if (_number > NextNumber)
        {
            if (!IsCovered && !IsLostUnseen(NextNumber, _number - 1))
            {
                throw Violation($"Messages {NextNumber} to {_number - 1} are missing before transfer {_transfer}, and no fault says so ({LastFault}).");
            }

            Gaps++;
        }

        _isFresh = false;
        NextNumber = _number + 1;
    }

    private enum SeenKind
    {
        Piece = 0,
        Fault,
        Change,
    }

    /// <summary>A piece of a transfer, with the number of the message it begins; or what came before a transfer.</summary>
    private readonly record struct Seen(long Transfer, SeenKind Kind, int Length = 0, long Message = -1)
    {
        public override string ToString() => Kind switch
        {
            SeenKind.Fault => $"fault before {Transfer}",
            SeenKind.Change => $"change before {Transfer}",
            _ => Message < 0 ? $"{Transfer}: {Length} bytes" : $"{Transfer}: {Length} bytes of message {Message}",
        };
    }
}
