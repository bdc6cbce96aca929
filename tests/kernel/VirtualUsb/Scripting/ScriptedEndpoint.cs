using System.Diagnostics;

namespace BulkIn.VirtualUsb;

/// <summary>One endpoint's script at work: URBs go in, answers come out as soon as the statement at hand allows.</summary>
/// <remarks>
/// All under one lock, so that answers leave in the order the script decides. An answer with a delay does not hold back the ones behind it.
/// </remarks>
internal sealed class ScriptedEndpoint(IReadOnlyList<ScriptStep> program, DelayedActions delays, Action halt, Action unplug, bool isIn)
{
    private readonly Lock _gate = new();
    private readonly WaitingUrbs _urbs = new();
    private ScriptStep.Unlink _unlink = new(UnlinkAnswer.Prompt, TimeSpan.Zero, UrbPayload.None);
    private int _position;
    private int _rounds;
    private int _expected;
    private bool _expecting;
    private bool _woken;

    public void Submitted(Urb urb)
    {
        lock (_gate)
        {
            if (program.Count == 0 && !isIn)
            {
                urb.Complete();
                return;
            }

            _urbs.Add(urb);
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
                    _urbs.Forget(urb);
                    urb.ConfirmUnlink();
                    break;
                case UnlinkAnswer.Late:
                    _urbs.Forget(urb);
                    delays.Add(_unlink.Delay, () => urb.ConfirmUnlink());
                    break;
                case UnlinkAnswer.WithData:
                    urb.Complete(_unlink.Payload.For(urb, _urbs.Forget(urb)).Span);
                    _urbs.CountSentByUnlink();
                    break;
                default:
                    Debug.Assert(_unlink.Policy == UnlinkAnswer.Never, "Four answers are all there are.");
                    break;
            }
        }
    }

    // Under _gate: runs statements until one has to wait.
    private void Advance()
    {
        while (_position < program.Count && Run(program[_position]))
        {
        }
    }

    // False: the statement has to wait.
    private bool Run(ScriptStep step)
    {
        bool done = step switch
        {
            ScriptStep.Answer answer => Answer(answer),
            ScriptStep.Hold hold => _urbs.TryHold(hold.Count),
            ScriptStep.Release release => Release(release),
            ScriptStep.Halt => Halt(),
            ScriptStep.Expect expect => Expect(expect),
            ScriptStep.Silence => GoOnIfWoken(),
            ScriptStep.Unlink unlink => Set(unlink),
            ScriptStep.Unplug => Unplug(),
            ScriptStep.Repeat => true,
            _ => throw new UnreachableException(),
        };
        if (done)
        {
            _position = step is ScriptStep.Repeat repeat && (repeat.Count == 0 || ++_rounds < repeat.Count) ? 0 : _position + 1;
        }

        return done;
    }

    private bool Answer(ScriptStep.Answer answer)
    {
        if (!_urbs.TryTake(numbered: answer.Payload != UrbPayload.None, out Urb urb, out long sequence))
        {
            return false;
        }

        ReadOnlyMemory<byte> data = answer.Payload.For(urb, sequence);
        if (answer.Delay == TimeSpan.Zero)
        {
            urb.Complete(data.Span, answer.Status);
        }
        else
        {
            delays.Add(answer.Delay, () => urb.Complete(data.Span, answer.Status));
        }

        return true;
    }

    private bool Release(ScriptStep.Release release)
    {
        (Urb Urb, long Sequence)[] held = _urbs.TakeHeld();
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

        return true;
    }

    private bool Halt()
    {
        if (!_urbs.Any)
        {
            return false;
        }

        halt();
        return true;
    }

    private bool Expect(ScriptStep.Expect expect)
    {
        if (!_expecting)
        {
            _expecting = true;
            _expected += expect.Count;
        }

        _expecting = _expected > 0;
        return !_expecting;
    }

    private bool GoOnIfWoken()
    {
        bool woken = _woken;
        _woken = false;
        return woken;
    }

    private bool Set(ScriptStep.Unlink unlink)
    {
        _unlink = unlink;
        return true;
    }

    private bool Unplug()
    {
        unplug();
        return true;
    }
}
