namespace BulkIn.Core;

/// <summary>
/// Native calls in progress, those included whose waiter was called away: nothing they use may be freed before they end. Begun by the control's loop only.
/// </summary>
internal sealed class NativeWork
{
    private Task _pending = Task.CompletedTask;

    /// <summary>Done when nothing that was begun so far goes on.</summary>
    public Task Completion => _pending;

    /// <summary>Waits for a call, unless the wait is cut short; the call goes on then.</summary>
    public Task<T> RunAsync<T>(ValueTask<T> call, CancellationToken preempt)
    {
        Task<T> work = call.AsTask();
        _pending = _pending.IsCompleted ? work : Task.WhenAll(_pending, work);

        // What it throws when nobody waits any more is nobody's, and must not become an unobserved exception.
        _ = work.ContinueWith(static ended => ended.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        return work.WaitAsync(preempt);
    }
}
