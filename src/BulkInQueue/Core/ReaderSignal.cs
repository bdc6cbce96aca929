using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Threading.Tasks.Sources;
using BulkIn.Backends;

namespace BulkIn.Core;

/// <summary>Why a wait ended.</summary>
internal enum WakeReason
{
    /// <summary>Something changed; look again.</summary>
    Changed = 2,

    /// <summary>The deadline passed.</summary>
    Timeout = 3,

    /// <summary>The caller's token was cancelled.</summary>
    Canceled = 4,

    /// <summary>The queue was disposed of.</summary>
    Closed = 5,
}

/// <summary>
/// The one reader's wait, awaited or blocked on, reused for every wait without allocating. Many may want to end a wait (completion, timer,
/// token, control, dispose): exactly one does.
/// </summary>
/// <remarks>
/// The word is <c>generation &lt;&lt; 3 | state</c>:
/// <code>
/// 0 idle --Arm--> 1 armed --Wake--> the WakeReason --Arm--> 1 armed, next generation
/// </code>
/// A waker that read the word of an earlier generation fails its compare-and-swap, so it cannot end a later wait.
/// </remarks>
[SuppressMessage("Design", "CA1001", Justification = "A waker may come at any time, even after the queue is gone (a late completion); the event must survive it and costs no handle.")]
internal sealed class ReaderSignal : IValueTaskSource<WakeReason>, IBurstWake
{
    private const long Armed = 1;
    private const long StateMask = 7;

    private ManualResetValueTaskSourceCore<WakeReason> _source;
    private AutoResetEvent? _blocked;
    private bool _blocking;
    private long _word;

    // The reader's own: a wait was armed and its end not yet taken.
    private bool _isPending;

    // The burst's thread's own: the word of the wait that the end of its burst is to end.
    private long _deferred;

    /// <inheritdoc/>
    IBurstWake? IBurstWake.NextInBurst { get; set; }

    /// <summary>The current word, for <see cref="WakeIfStill"/>. Read it before the condition that decides on the wake.</summary>
    public long Word => Volatile.Read(ref _word);

    /// <summary>Begins a wait. Only the reader calls it, after its previous wait ended.</summary>
    /// <param name="blocking">True when <see cref="Block"/> follows, false when <see cref="WaitAsync"/> does.</param>
    public void Arm(bool blocking)
    {
        Debug.Assert((_word & StateMask) != Armed, "The previous wait has not ended.");
        _blocking = blocking;
        _isPending = true;
        if (blocking)
        {
            _blocked ??= new AutoResetEvent(initialState: false);
        }
        else
        {
            _source.Reset();
        }

        // Release: a waker that sees the new generation sees the fields above.
        Volatile.Write(ref _word, ((_word >> 3) + 1) << 3 | Armed);
    }

    /// <summary>Ends the wait, if one is armed and nobody else ended it.</summary>
    public void Wake(WakeReason reason) => _ = WakeIfStill(Word, reason);

    /// <summary>
    /// As <see cref="Wake"/> with <see cref="WakeReason.Changed"/>, but at the end of the burst where one is open on this thread: the reader would contend with the rest
    /// of it. Until then the wait stays armed, so that a deadline, a token or the dispose need not wait for a transport that does not return.
    /// </summary>
    public void WakeAfterBurst()
    {
        long word = Word;
        if ((word & StateMask) != Armed)
        {
            return;
        }

        if (CompletionBurst.TryDefer(this))
        {
            _deferred = word;
        }
        else
        {
            _ = WakeIfStill(word, WakeReason.Changed);
        }
    }

    /// <summary>Ends the wait, if it is still the one whose word was read.</summary>
    /// <param name="word">What <see cref="Word"/> was.</param>
    /// <param name="reason">Why it ends.</param>
    /// <returns>True when this call ended it.</returns>
    public bool WakeIfStill(long word, WakeReason reason)
    {
        if (!TryEnd(word, reason))
        {
            return false;
        }

        Signal();
        return true;
    }

    /// <summary>The armed wait, to be awaited once.</summary>
    public ValueTask<WakeReason> WaitAsync() => new(this, _source.Version);

    /// <summary>Blocks until the armed wait ends.</summary>
    /// <param name="limit">How long at most; infinite where a timer ends the wait.</param>
    /// <returns>Why it ended.</returns>
    public WakeReason Block(TimeSpan limit)
    {
        if (!_blocked!.WaitOne(limit))
        {
            // Somebody may have won while the wait timed out: then the event is, or is about to be, set for this generation and must be consumed.
            Wake(WakeReason.Timeout);
            _ = _blocked.WaitOne();
        }

        _isPending = false;
        return (WakeReason)(Word & StateMask);
    }

    /// <summary>
    /// Ends a wait that its reader gave up between arming and the end, by an exception: of the user's clock, or because the thread was interrupted. After this nobody is about to
    /// end it any more, so the next one can be armed. Does nothing otherwise.
    /// </summary>
    public void Abandon()
    {
        if (!_isPending)
        {
            return;
        }

        // Whoever ends it, we or somebody who won just before, says so after the word: that must not hit the next wait.
        Wake(WakeReason.Changed);
        if (_blocking)
        {
            WaitUninterrupted();
        }
        else
        {
            SpinWait spin = default;
            while (_source.GetStatus(_source.Version) == ValueTaskSourceStatus.Pending)
            {
                spin.SpinOnce();
            }
        }

        _isPending = false;
    }

    /// <summary>First half of a wake: true for the one that may, and must, do the second.</summary>
    private bool TryEnd(long word, WakeReason reason) =>
        (word & StateMask) == Armed && Interlocked.CompareExchange(ref _word, (word & ~StateMask) | (long)reason, word) == word;

    /// <summary>
    /// Second half of a wake, by whoever won the word; the reader cannot arm again before it. Continuations never run on the thread that wakes: it may be one that pumps
    /// libusb, inside a callback.
    /// </summary>
    private void Signal()
    {
        if (_blocking)
        {
            _ = _blocked!.Set();
        }
        else
        {
            _source.RunContinuationsAsynchronously = true;
            _source.SetResult((WakeReason)(Word & StateMask));
        }
    }

    private void WaitUninterrupted()
    {
        while (true)
        {
            try
            {
                _ = _blocked!.WaitOne();
                return;
            }
            catch (ThreadInterruptedException)
            {
                // The first interruption is on its way to the caller.
            }
        }
    }

    void IBurstWake.Signal(ResumeThread thread)
    {
        // Another may have ended that wait meanwhile, and the reader be in its next.
        if (TryEnd(_deferred, WakeReason.Changed) && (_blocking || !thread.TryRun(this)))
        {
            Signal();
        }
    }

    void IBurstWake.Resume()
    {
        _source.RunContinuationsAsynchronously = false;
        _source.SetResult((WakeReason)(Word & StateMask));
    }

    WakeReason IValueTaskSource<WakeReason>.GetResult(short token)
    {
        _isPending = false;
        return _source.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource<WakeReason>.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource<WakeReason>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);
}
