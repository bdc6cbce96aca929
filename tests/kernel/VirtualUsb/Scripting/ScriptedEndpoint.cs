using System.Diagnostics;

namespace BulkIn.VirtualUsb;

/// <summary>One endpoint's script at work: URBs go in, answers come out as soon as the statement at hand allows.</summary>
/// <remarks>
/// All under one lock, so that answers leave in the order the script decides. An answer with a delay does not hold back the ones behind it.
/// </remarks>
internal sealed class ScriptedEndpoint(IReadOnlyList<ScriptStep> program, DelayedActions delays, Action<byte> halt, Action unplug, bool isIn)
{
    private readonly Lock _gate = new();
    private readonly Queue<Urb> _waiting = new();
    private readonly List<(Urb Urb, long Sequence)> _held = [];
    private ScriptStep.Unlink _unlink = new(UnlinkAnswer.Prompt, TimeSpan.Zero, UrbPayload.None);
    private int _position;
    private int _rounds;
    private int _expected;
    private bool _expecting;
    private bool _woken;

    // The number of the next transfer with data. Given out when a statement takes a URB, which is the order submitted.
    private long _sequence;
    private int _sentByUnlink;

    /// <summary>True when the script has no statement left, or waits to be woken.</summary>
    public bool IsQuiet
    {
        get
        {
            lock (_gate)
            {
                return _position >= program.Count || program[_position] is ScriptStep.Silence;
            }
        }
    }

    public void Submitted(Urb urb)
    {
        lock (_gate)
        {
            if (program.Count == 0 && !isIn)
            {
                urb.Complete();
                return;
            }

            _waiting.Enqueue(urb);
            Advance();
        }
    }

    public void OutArrived()
    {
        lock (_gate)
        {
            _expected--;
            Advance();
        }
    }

    public void Wake()
    {
        lock (_gate)
        {
            _woken = true;
            Advance();
        }
    }

    public void Unlinking(Urb urb)
    {
        lock (_gate)
        {
            switch (_unlink.Policy)
            {
                case UnlinkAnswer.Prompt:
                    Forget(urb);
                    urb.ConfirmUnlink();
                    break;
                case UnlinkAnswer.Late:
                    Forget(urb);
                    delays.Add(_unlink.Delay, () => urb.ConfirmUnlink());
                    break;
                case UnlinkAnswer.WithData:
                    long sequence = Forget(urb);
                    _sentByUnlink++;
                    urb.Complete(_unlink.Payload.For(urb, sequence).Span);
                    if (_waiting.Count == 0)
                    {
                        _sequence += _sentByUnlink;
                        _sentByUnlink = 0;
                    }

                    break;
                default:
                    Debug.Assert(_unlink.Policy == UnlinkAnswer.Never, "Four answers are all there are.");
                    break;
            }
        }
    }

    // Takes a URB that the host wants back out of the script's sight. Answers the number its data would have had: that of its place in the queue,
    // since data fills URBs in the order submitted, whatever the order in which they are unlinked.
    private long Forget(Urb urb)
    {
        if (_held.Find(entry => entry.Urb == urb) is { Urb: not null } held)
        {
            _held.Remove(held);
            return held.Sequence;
        }

        long sequence = -1;
        int count = _waiting.Count;
        for (int index = 0; index < count; index++)
        {
            Urb entry = _waiting.Dequeue();
            if (entry == urb)
            {
                sequence = _sequence + index;
            }
            else
            {
                _waiting.Enqueue(entry);
            }
        }

        return sequence;
    }

    // Under _gate: runs statements until one has to wait.
    private void Advance()
    {
        while (_position < program.Count && Run(program[_position]))
        {
        }
    }

    private bool Run(ScriptStep step)
    {
        switch (step)
        {
            case ScriptStep.Answer answer:
                if (!_waiting.TryDequeue(out Urb? next))
                {
                    return false;
                }

                Give(answer, next, answer.Payload == UrbPayload.None ? -1 : _sequence++);
                break;
            case ScriptStep.Hold hold:
                if (_waiting.Count < hold.Count)
                {
                    return false;
                }

                for (int index = 0; index < hold.Count; index++)
                {
                    _held.Add((_waiting.Dequeue(), _sequence++));
                }

                break;
            case ScriptStep.Release release:
                ReleaseHeld(release);
                break;
            case ScriptStep.Halt:
                if (!_waiting.TryPeek(out Urb? seen))
                {
                    return false;
                }

                _waiting.Clear();
                halt(seen.Endpoint);
                break;
            case ScriptStep.Expect expect:
                if (!_expecting)
                {
                    _expecting = true;
                    _expected += expect.Count;
                }

                if (_expected > 0)
                {
                    return false;
                }

                _expecting = false;
                break;
            case ScriptStep.Silence:
                if (!_woken)
                {
                    return false;
                }

                _woken = false;
                break;
            case ScriptStep.Unlink unlink:
                _unlink = unlink;
                break;
            case ScriptStep.Unplug:
                unplug();
                break;
            case ScriptStep.Repeat repeat:
                _rounds++;
                if (repeat.Count == 0 || _rounds < repeat.Count)
                {
                    _position = 0;
                    return true;
                }

                break;
            default:
                throw new UnreachableException();
        }

        _position++;
        return true;
    }

    private void Give(ScriptStep.Answer answer, Urb urb, long sequence)
    {
        ReadOnlyMemory<byte> data = answer.Payload.For(urb, sequence);
        if (answer.Delay == TimeSpan.Zero)
        {
            urb.Complete(data.Span, answer.Status);
        }
        else
        {
            delays.Add(answer.Delay, () => urb.Complete(data.Span, answer.Status));
        }
    }

    private void ReleaseHeld(ScriptStep.Release release)
    {
        (Urb Urb, long Sequence)[] held = [.. _held];
        _held.Clear();
        if (release.Order == ReleaseOrder.Reverse)
        {
            Array.Reverse(held);
        }
        else if (release.Order == ReleaseOrder.Random)
        {
#pragma warning disable CA5394 // Nothing secret: the fixed seed makes a script do the same each time.
            new Random(held.Length).Shuffle(held);
#pragma warning restore CA5394
        }

        foreach ((Urb urb, long sequence) in held)
        {
            urb.Complete(release.Payload.For(urb, sequence).Span);
        }
    }
}
