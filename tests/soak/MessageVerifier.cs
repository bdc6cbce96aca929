namespace BulkIn.Soak;

/// <summary>
/// Puts messages together from pieces of transfers and judges them: numbers only rise, and a gap needs a fault that was reported at most a queue's depth of transfers
/// before it (the failures of one generation are one fault, at the first of them), or a device that was opened anew.
/// </summary>
internal sealed class MessageVerifier
{
    private readonly byte[] _header = new byte[NumberedMessage.HeaderLength];
    private long _transfer = -1;
    private long _number;
    private int _length;
    private int _have;
    private bool _isTorn;
    private bool _skips;
    private bool _isFresh = true;
    private long _faultAt = long.MinValue;
    private int _depth;

    public long Messages { get; private set; }

    public long Gaps { get; private set; }

    public long Transfers { get; private set; }

    public long NextNumber { get; private set; }

    /// <summary>A queue was opened: its transfers are numbered from 0, and what the last one held is gone.</summary>
    public void Opened(int depth)
    {
        _depth = depth;
        _transfer = -1;
        _faultAt = long.MinValue;
        _isFresh = true;
        _skips = true;
        _have = 0;
        _isTorn = false;
    }

    /// <summary>A fault was reported.</summary>
    /// <param name="position">The number that the next transfer gets.</param>
    public void Fault(long position)
    {
        _faultAt = position;
        _isTorn = _have > 0;
    }

    /// <summary>A piece of a transfer was received.</summary>
    public void Receive(long transfer, ReadOnlySpan<byte> piece, bool isUntrusted)
    {
        bool begins = transfer != _transfer;
        if (transfer < _transfer)
        {
            throw new StreamViolationException($"Transfer {transfer} came after transfer {_transfer}.");
        }

        Transfers += begins ? 1 : 0;
        _transfer = transfer;
        if (isUntrusted)
        {
            // A message with untrusted bytes is no message. The overflow's fault, which must follow, covers it.
            _skips = true;
            _have = 0;
            return;
        }

        if (begins && piece.Length > 0 && piece[0] == NumberedMessage.First)
        {
            if (_have > 0 && !_isTorn)
            {
                throw new StreamViolationException($"Message {_number} ends after {_have} of {_length} bytes, without a fault, at transfer {transfer}.");
            }

            _have = 0;
            _skips = false;
        }

        if (!_skips)
        {
            Append(piece);
        }
    }

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
                    throw new StreamViolationException($"Message {_number} has wrong bytes at {_have} to {_have + taken - 1}, in transfer {_transfer}.");
                }
            }

            _have += taken;
            piece = piece[taken..];
            if (_have >= NumberedMessage.HeaderLength && _have == _length)
            {
                _have = 0;
                _isTorn = false;
                Messages++;
                if (piece.Length > 0)
                {
                    throw new StreamViolationException($"{piece.Length} bytes follow message {_number} in transfer {_transfer}, which its end should have ended.");
                }
            }
        }
    }

    private void Begin()
    {
        if (!NumberedMessage.TryRead(_header, out _number, out _length))
        {
            throw new StreamViolationException($"Transfer {_transfer} begins with no message: {Convert.ToHexString(_header)}.");
        }

        if (_number < NextNumber)
        {
            throw new StreamViolationException($"Message {_number} came after message {NextNumber - 1}: duplicated or out of order, in transfer {_transfer}.");
        }

        if (_number > NextNumber)
        {
            // In subtraction, because there may have been no fault yet.
            bool isCovered = _isFresh || (_faultAt != long.MinValue && _transfer - _faultAt <= _depth);
            if (!isCovered)
            {
                throw new StreamViolationException($"Messages {NextNumber} to {_number - 1} are missing before transfer {_transfer}, and no fault says so (the last one was at transfer {_faultAt}).");
            }

            Gaps++;
        }

        _isFresh = false;
        NextNumber = _number + 1;
    }
}
