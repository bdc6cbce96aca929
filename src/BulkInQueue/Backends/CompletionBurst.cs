using System.Diagnostics;

namespace BulkIn.Backends;

/// <summary>
/// The completions that one handling of events reports, on the thread that handles them. Whoever they wake is woken at the end of it, once: woken at the first of
/// several, it would contend with the rest, and often have to be woken again within the burst.
/// </summary>
/// <remarks>
/// <code>
/// Closed --Begin--> Open (callbacks of this thread add) --End--> Closed (who was added is woken, in order)
/// </code>
/// <para>One belongs to one thread. On threads without one, as those that pump a foreign handle's context, nothing is deferred.</para>
/// </remarks>
/// <param name="thread">Runs the continuations of those that await.</param>
internal sealed class CompletionBurst(ResumeThread thread)
{
    [ThreadStatic]
    private static CompletionBurst? t_open;

    private IBurstWake? _first;
    private IBurstWake? _last;

    /// <summary>Has the wake done at the end of this thread's burst, once, however often it is asked for.</summary>
    /// <returns>False when no burst is open on this thread.</returns>
    public static bool TryDefer(IBurstWake wake)
    {
        CompletionBurst? burst = t_open;
        if (burst is null)
        {
            return false;
        }

        // In the list already: its reader was woken by somebody else meanwhile, and waits again.
        if (wake.NextInBurst is not null || burst._last == wake)
        {
            return true;
        }

        if (burst._last is null)
        {
            burst._first = wake;
        }
        else
        {
            burst._last.NextInBurst = wake;
        }

        burst._last = wake;
        return true;
    }

    /// <summary>Before the thread enters the transport.</summary>
    public void Begin()
    {
        Debug.Assert(t_open is null, "A thread handles events of one transport at a time.");
        t_open = this;
    }

    /// <summary>After the thread left the transport.</summary>
    public void End()
    {
        Debug.Assert(t_open == this, "Ended by another thread than the one that began it.");
        t_open = null;
        IBurstWake? wake = _first;
        _first = _last = null;
        while (wake is not null)
        {
            // Once signalled, it may be waiting again, and in another list.
            IBurstWake? next = wake.NextInBurst;
            wake.NextInBurst = null;
            wake.Signal(thread);
            wake = next;
        }
    }
}
