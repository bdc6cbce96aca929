using System.Diagnostics.CodeAnalysis;

namespace BulkIn.Backends;

/// <summary>
/// Runs the continuations of a device's awaiting readers. A wake-up of the thread pool costs more than one of this thread, because the pool's workers spin for a while
/// before they sleep again, and it waits for a free worker, which a pool full of blocked work may not have for seconds.
/// </summary>
/// <remarks>
/// <code>
/// None --TryRun--> Busy (a continuation runs) --> Parked --TryRun--> Busy
/// Parked, Busy --End--> gone, once the continuation that it runs returns
/// </code>
/// <para>A continuation may block, as user code does; it holds up nobody, because whoever finds the thread busy turns to the thread pool.</para>
/// </remarks>
/// <param name="name">For debuggers.</param>
internal sealed class ResumeThread(string name)
{
    private const int None = 0;
    private const int Parked = 1;
    private const int Busy = 2;

    private readonly Doorbell _called = Doorbell.Create();
    private int _state = None;
    private IBurstWake? _wake;
    private volatile bool _ending;

    /// <summary>Has the thread call <see cref="IBurstWake.Resume"/>. By the thread that handles events only.</summary>
    /// <returns>False when it runs another, or cannot be started.</returns>
    public bool TryRun(IBurstWake wake)
    {
        int state = Volatile.Read(ref _state);
        if (state == Busy || (state == None && !TryStart()))
        {
            return false;
        }

        // Only this caller leads from Parked to Busy, and the bell publishes both.
        _wake = wake;
        Volatile.Write(ref _state, Busy);
        _called.Ring();
        return true;
    }

    /// <summary>Lets the thread go. By the thread that handles events, after its last <see cref="TryRun"/>.</summary>
    public void End()
    {
        _ending = true;
        _called.Ring();
    }

    [SuppressMessage("Design", "CA1031", Justification = "Whatever keeps the system from starting a thread: the thread pool does its work instead.")]
    private bool TryStart()
    {
        try
        {
            new Thread(Run) { IsBackground = true, Name = name }.Start();
            return true;
        }
        catch (Exception)
        {
            return false;
        }
    }

    private void Run()
    {
        ExecutionContext? untouched = ExecutionContext.Capture();
        while (true)
        {
            _called.Await();
            IBurstWake? wake = _wake;
            if (wake is null)
            {
                // Nothing was handed over since: it is the end that called.
                return;
            }

            _wake = null;
            wake.Resume();

            // What a continuation left behind on the thread must not reach the next one, as on a thread of the pool.
            if (SynchronizationContext.Current is not null)
            {
                SynchronizationContext.SetSynchronizationContext(null);
            }

            if (untouched is not null && ExecutionContext.Capture() != untouched)
            {
                ExecutionContext.Restore(untouched);
            }

            Volatile.Write(ref _state, Parked);
            if (_ending)
            {
                return;
            }
        }
    }
}
