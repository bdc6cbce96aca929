using BulkIn.Soak;
using BulkIn.VirtualUsb;

namespace BulkIn.Bench;

/// <summary>
/// A device that answers IN URBs with a stream of numbered messages, as fast as it can or a little slower, in order or not, and fails now and then in every way a controller can
/// report. The bytes go to URBs in the order of submission, whatever the order of completion, as on a real bus; data may cross a cancel.
/// </summary>
internal sealed class FaultyFlood : UsbFunction, IDisposable
{
    // One in so many URBs fails.
    private const int FaultDistance = 250;

    private readonly MessageMaker _messages;
    private readonly Random _random;
    private readonly AutoResetEvent _submitted = new(initialState: false);

    // Guards what follows, the messages and the random numbers: the device's thread and the serving thread answer URBs.
    private readonly Lock _gate = new();
    private readonly List<Urb> _posted = [];

    // An answer is in the hands of the device's thread: a halt would answer its URB first, and its bytes be lost while the device goes on behind them.
    private bool _isCrossing;
    private ReadOnlyMemory<byte> _rest;
    private bool _owesZeroLengthPacket;

    // Messages that a failure cost, by the URB that failed; and those of them of which nobody hears, because the host took the URB back meanwhile: to Linux it is then an unlinked
    // one, whatever its status was.
    private readonly Dictionary<uint, Range> _lost = [];
    private readonly List<Range> _lostUnseen = [];

    private VirtualUsbDevice? _device;
    private Thread? _serving;
    private volatile bool _unplugged;
    private bool _disposed;

    /// <summary>Makes the function of a device that is not plugged in yet.</summary>
    /// <param name="messages">Survives the device: numbers go on where they were.</param>
    /// <param name="random">Nobody else's while this device is plugged in.</param>
    public FaultyFlood(MessageMaker messages, Random random)
    {
        _messages = messages;
        _random = random;
    }

    /// <summary>Starts to answer.</summary>
    public void Start(VirtualUsbDevice device)
    {
        _device = device;
        _serving = new Thread(Serve) { IsBackground = true, Name = "flood" };
        _serving.Start();
    }

    public override void Submitted(Urb urb)
    {
        if (!urb.IsIn)
        {
            urb.Complete();
            return;
        }

        lock (_gate)
        {
            // Otherwise the endpoint was halted on its way here, and bytes given to it would reach nobody.
            if (!urb.IsAnswered)
            {
                _posted.Add(urb);
            }
        }

        _submitted.Set();
    }

    public override void Unlinking(Urb urb)
    {
        Answer? crossing = null;
        int late;
        lock (_gate)
        {
            late = _random.Next(8) == 0 ? _random.Next(5) : 0;
            if (_random.Next(4) == 0)
            {
                crossing = TakeOldest();
                _isCrossing = crossing is not null;
            }
        }

        // A slow controller: this is the device's own thread, so everything waits.
        Thread.Sleep(late);
        Give(crossing);
        bool isMine;
        lock (_gate)
        {
            _isCrossing = false;
            isMine = _posted.Remove(urb);
        }

        // Otherwise it has data already, from the line above or from the serving thread, and is answered with that.
        if (isMine)
        {
            urb.ConfirmUnlink();
        }
    }

    public override void UnlinkedTooLate(uint sequenceNumber)
    {
        lock (_gate)
        {
            if (_lost.TryGetValue(sequenceNumber, out Range messages))
            {
                _lostUnseen.Add(messages);
            }
        }
    }

    /// <summary>True of a message that was lost by a failure whose status the host's unlink replaced.</summary>
    public bool IsLostUnseen(long message)
    {
        lock (_gate)
        {
            return _lostUnseen.Exists(messages => message >= messages.First && message <= messages.Last);
        }
    }

    public override bool Control(Urb urb)
    {
        if (!urb.Setup.IsClearHalt)
        {
            return false;
        }

        int way;
        lock (_gate)
        {
            way = _random.Next(8);
        }

        Thread.Sleep(way == 1 ? 20 : 0);
        return way == 0 && urb.Complete(UrbStatus.Stall);
    }

    public override void Unplugged()
    {
        _unplugged = true;
        _submitted.Set();
    }

    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            Unplugged();
            _serving?.Join();
            _submitted.Dispose();
        }
    }

    private void Serve()
    {
        List<Answer> batch = [];
        while (!_unplugged)
        {
            _submitted.WaitOne();
            while (TakeBatch(batch, out int pause))
            {
                batch.ForEach(Give);
                batch.Clear();

                // Now and then the host is the faster one, and every slot gets posted.
                Thread.Sleep(pause);
            }
        }
    }

    private bool TakeBatch(List<Answer> batch, out int pause)
    {
        lock (_gate)
        {
            pause = _random.Next(64) == 0 ? _random.Next(4) : 0;
            if (_unplugged || _posted.Count == 0)
            {
                return false;
            }

            if (_random.Next(8 * FaultDistance) == 0 && !_isCrossing)
            {
                // The halt answers what is posted: in one step, or a URB that arrives between the two stays here, answered, and takes bytes with it.
                _device!.Halt(Rig.VirtualIn);
                _posted.Clear();
                return true;
            }

            for (int count = _random.Next(8) == 0 ? _random.Next(8) : 0; count >= 0 && TakeOldest() is { } answer; count--)
            {
                batch.Insert(_random.Next(batch.Count + 1), answer);
            }

            return true;
        }
    }

    // Under _gate. What is taken is given, by the one who took it.
    private Answer? TakeOldest()
    {
        if (_posted.Count == 0)
        {
            return null;
        }

        Urb urb = _posted[0];
        _posted.RemoveAt(0);
        return _random.Next(FaultDistance) == 0 ? Fail(urb) : new Answer(urb, NextBytes(urb.Length).ToArray(), UrbStatus.Success);
    }

    private Answer Fail(Urb urb)
    {
        int status = _random.Next(7) switch
        {
            0 or 1 => UrbStatus.Stall,
            2 => UrbStatus.Protocol,
            3 => UrbStatus.BadCrc,
            4 => UrbStatus.NoAnswer,
            5 => UrbStatus.Overflow,
            _ => UrbStatus.Shutdown,
        };
        byte[] bytes = [];
        long first = _rest.IsEmpty && !_owesZeroLengthPacket ? _messages.Number : _messages.Number - 1;
        bool loses = true;
        switch (_random.Next(3))
        {
            case 0:
                // The controller noticed before the device sent: nothing is lost.
                loses = false;
                break;
            case 1:
                bytes = NextBytes(urb.Length).ToArray();
                bytes = bytes[.._random.Next(bytes.Length + 1)];
                LoseRest();
                break;
            default:
                LoseRest();
                break;
        }

        if (loses)
        {
            _lost[urb.SequenceNumber] = new Range(first, _messages.Number - 1);
        }

        return new Answer(urb, bytes, status);
    }

    private void Give(Answer? answer)
    {
        if (answer is null)
        {
            return;
        }

        _ = answer.Urb.Complete(answer.Bytes, answer.Status);

        // Asked for before the answer; if it is asked for after it, UnlinkedTooLate says so.
        if (answer.Urb.IsUnlinking)
        {
            UnlinkedTooLate(answer.Urb.SequenceNumber);
        }
    }

    private ReadOnlySpan<byte> NextBytes(int length)
    {
        if (_owesZeroLengthPacket)
        {
            _owesZeroLengthPacket = false;
            return [];
        }

        if (_rest.IsEmpty)
        {
            _rest = _messages.Next();
        }

        ReadOnlyMemory<byte> taken = _rest[..Math.Min(length, _rest.Length)];
        _rest = _rest[taken.Length..];
        _owesZeroLengthPacket = _rest.IsEmpty && taken.Length == length;
        return taken.Span;
    }

    private void LoseRest()
    {
        if (_rest.IsEmpty && !_owesZeroLengthPacket)
        {
            _messages.Lose();
        }

        _rest = default;
        _owesZeroLengthPacket = false;
    }

    private sealed record Answer(Urb Urb, byte[] Bytes, int Status);

    private readonly record struct Range(long First, long Last);
}
