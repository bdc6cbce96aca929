namespace BulkIn.Core;

/// <summary>What a caller asks of the control.</summary>
internal enum ControlVerb
{
    Recover,
    Pause,
    Resume,
    Stop,
}

/// <summary>One caller's request and its outcome.</summary>
internal sealed class ControlRequest(ControlVerb verb)
{
    // The caller's continuation must not run inside the control.
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ControlVerb Verb { get; } = verb;

    public Task Done => _done.Task;

    public void Succeed() => _done.TrySetResult();

    public void Fail(Exception reason)
    {
        _ = _done.TrySetException(reason);

        // A caller whose token ended its wait never looks at it: that must not become an unobserved exception.
        _ = _done.Task.Exception;
    }
}
