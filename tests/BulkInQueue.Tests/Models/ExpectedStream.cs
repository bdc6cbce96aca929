namespace BulkIn;

/// <summary>
/// What the reader must see: every byte the device handed to a transfer, in order; the end of every message that has one; each generation of failures once, at its
/// place. Thread-safe, because hooks of the device write it while a receive runs.
/// </summary>
internal sealed class ExpectedStream
{
    private const int End = 256;
    private const int FaultBase = 1000;

    private readonly Lock _gate = new();
    private readonly List<int> _tokens = [];
    private readonly List<(int Bytes, bool Marked)> _messages = [];
    private int _read;
    private long _bytesRead;
    private bool _endIsOptional;
    private bool _inGeneration;
    private int _generationAt;

    // The fault at the end of the stream that an unplug turned into DeviceGone; 0 when there was none.
    private int _becameGone;

    /// <summary>The kind of the last fault the reader got.</summary>
    public BulkInError? LastFault { get; private set; }

    /// <summary>A generation of failures is open: what fails now belongs to it. It ends with the next submit.</summary>
    public bool InGeneration
    {
        get
        {
            lock (_gate)
            {
                return _inGeneration;
            }
        }

        set
        {
            lock (_gate)
            {
                _inGeneration = value;
            }
        }
    }

    /// <summary>The device offers a message.</summary>
    public void Message(ReadOnlySpan<byte> bytes, bool marked)
    {
        lock (_gate)
        {
            foreach (byte b in bytes)
            {
                _tokens.Add(b);
            }

            if (marked)
            {
                _tokens.Add(End);
            }

            _messages.Add((bytes.Length, marked));
        }
    }

    /// <summary>A transfer fails: its own last bytes, then the fault unless its generation has one; before what still waits in the device.</summary>
    public void Fault(BulkInError error, ReadOnlySpan<byte> bytes, int waitingMessages, int waitingBytes)
    {
        lock (_gate)
        {
            int at = _tokens.Count - Waiting(waitingMessages, waitingBytes);
            foreach (byte b in bytes)
            {
                _tokens.Insert(at++, b);
            }

            if (!_inGeneration)
            {
                _inGeneration = true;
                _generationAt = at;
                _tokens.Insert(at, FaultBase + (int)error);
            }
            else if (error == BulkInError.Interrupted && _generationAt >= _read && _generationAt < _tokens.Count && _tokens[_generationAt] >= FaultBase)
            {
                _tokens[_generationAt] = FaultBase + (int)error;
            }
        }
    }

    /// <summary>What the device held is lost with it.</summary>
    public void LoseWaiting(int waitingMessages, int waitingBytes)
    {
        lock (_gate)
        {
            int lost = Waiting(waitingMessages, waitingBytes);
            _tokens.RemoveRange(_tokens.Count - lost, lost);
            _messages.Clear();
        }
    }

    /// <summary>The device is gone: the fault at the end of the stream says so, an undelivered one there becomes it.</summary>
    public void Gone()
    {
        lock (_gate)
        {
            const int Token = FaultBase + (int)BulkInError.DeviceGone;
            if (_tokens.Contains(Token))
            {
                return;
            }

            if (_tokens.Count > _read && _tokens[^1] >= FaultBase)
            {
                _becameGone = _tokens[^1];
                _tokens[^1] = Token;
            }
            else
            {
                _tokens.Add(Token);
            }
        }
    }

    /// <summary>True when the next thing to be read is a fault.</summary>
    public bool IsFaultNext
    {
        get
        {
            lock (_gate)
            {
                int next = BehindOptionalEnds();
                return next < _tokens.Count && _tokens[next] >= FaultBase;
            }
        }
    }

    /// <summary>True when nothing is left but what waits in the device.</summary>
    public bool IsReadUpTo(int waitingMessages, int waitingBytes)
    {
        lock (_gate)
        {
            int end = _tokens.Count - Waiting(waitingMessages, waitingBytes);
            return _read <= end && end <= BehindOptionalEnds();
        }
    }

    /// <summary>True when there is a fault that nobody read behind the next thing to be read.</summary>
    public bool HasFaultBehindNext
    {
        get
        {
            lock (_gate)
            {
                return _tokens.FindIndex(Math.Min(_read + 1, _tokens.Count), static t => t >= FaultBase) >= 0;
            }
        }
    }

    public void ReadData(ReadOnlySpan<byte> got, bool end, bool isLastPiece)
    {
        lock (_gate)
        {
            if (got.Length > 0 || !end)
            {
                _read = BehindOptionalEnds();
            }

            _endIsOptional &= got.Length == 0;
            foreach (byte b in got)
            {
                Check(_read < _tokens.Count && _tokens[_read] == b, $"received {b}");
                _read++;
                _bytesRead++;
            }

            Check(got.Length > 0 || end, "received a transfer of no bytes that ends nothing");
            if (end)
            {
                Check(_read < _tokens.Count && _tokens[_read] == End, "received the end of a message");
                Check(isLastPiece, "received the end of a message before its last piece");
                _read++;
            }
        }
    }

    public void ReadDiscarded(long bytes)
    {
        lock (_gate)
        {
            while (bytes > 0)
            {
                Check(_read < _tokens.Count && _tokens[_read] < FaultBase, $"discarded {bytes} bytes more");
                if (_tokens[_read++] != End)
                {
                    bytes--;
                    _bytesRead++;
                }
            }

            _endIsOptional = true;
        }
    }

    /// <summary>Reads the fault, if it is next.</summary>
    /// <returns>False when the next thing is none.</returns>
    public bool TryReadFault(BulkInException fault)
    {
        lock (_gate)
        {
            int next = BehindOptionalEnds();
            if (next >= _tokens.Count || _tokens[next] < FaultBase)
            {
                return false;
            }

            _read = next;
            if (_becameGone == FaultBase + (int)fault.Error && next == _tokens.Count - 1)
            {
                // The fault was published before the unplug was proved, and a waiting reader may take it in between: then Gone still follows.
                _becameGone = 0;
                LastFault = fault.Error;
                return true;
            }

            Check(_tokens[_read] == FaultBase + (int)fault.Error, $"received the fault {fault.Error}");
            Check(fault.BytePosition == _bytesRead, $"received a fault said to be after {fault.BytePosition} bytes");
            _read++;
            LastFault = fault.Error;
            return true;
        }
    }

    public override string ToString()
    {
        lock (_gate)
        {
            return $"read {Describe(_tokens.Take(_read).TakeLast(8))}, next {Describe(_tokens.Skip(_read).Take(12))}";
        }
    }

    private static string Describe(IEnumerable<int> tokens) =>
        $"[{string.Join(' ', tokens.Select(static t => t >= FaultBase ? ((BulkInError)(t - FaultBase)).ToString() : t == End ? "end" : FormattableString.Invariant($"{t}")))}]";

    // Gate held. Tokens of the messages, or the part of them, that no transfer took yet.
    private int Waiting(int messages, int bytes)
    {
        int tokens = 0;
        for (int i = _messages.Count - 1; messages > 0 && i >= 0; i--, messages--)
        {
            int own = messages == 1 ? bytes : _messages[i].Bytes;
            bytes -= own;
            tokens += own + (_messages[i].Marked ? 1 : 0);
        }

        return tokens;
    }

    // Gate held.
    private int BehindOptionalEnds()
    {
        // Ends that may have been discarded with the bytes before them.
        int next = _read;
        while (_endIsOptional && next < _tokens.Count && _tokens[next] == End)
        {
            next++;
        }

        return next;
    }

    // Gate held.
    private void Check(bool holds, string what)
    {
        if (!holds)
        {
            throw new InvalidDataException($"The reader {what}, but after {_bytesRead} bytes: {this}.");
        }
    }
}
