namespace BulkIn.Testing;

/// <summary>
/// A door in a race's window: the code under test stops at it, the test learns that it is there, does what it wants inside the window, and opens.
/// One use; thread-safe.
/// </summary>
/// <remarks>A gate that is never opened opens by itself after <see cref="Bound"/> and makes whoever waited throw, so that a wrong test fails and does not hang.</remarks>
public sealed class SimulationGate
{
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Creates a closed gate.</summary>
    /// <param name="bound">How long somebody may stand at it, in real time. Default 30 s.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bound"/> is not positive.</exception>
    public SimulationGate(TimeSpan? bound = null)
    {
        Bound = bound ?? TimeSpan.FromSeconds(30);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(Bound, TimeSpan.Zero, nameof(bound));
    }

    /// <summary>How long somebody may stand at the gate, in real time.</summary>
    public TimeSpan Bound { get; }

    /// <summary>True once somebody stands, or stood, at the gate.</summary>
    public bool IsReached => _reached.Task.IsCompleted;

    /// <summary>True once the gate is open.</summary>
    public bool IsOpen => _opened.Task.IsCompleted;

    /// <summary>Waits until somebody stands at the gate.</summary>
    /// <returns>A task that ends when somebody does.</returns>
    /// <exception cref="TimeoutException">Nobody came within <see cref="Bound"/>.</exception>
    public async Task WhenReachedAsync()
    {
        try
        {
            await _reached.Task.WaitAsync(Bound).ConfigureAwait(false);
        }
        catch (TimeoutException late)
        {
            throw new TimeoutException($"Nobody reached the gate within {Bound}.", late);
        }
    }

    /// <summary>Lets everybody pass, now and later. Idempotent.</summary>
    public void Open() => _opened.TrySetResult();

    /// <summary>Stands at the gate until it opens, blocking the thread.</summary>
    /// <exception cref="TimeoutException">It did not open within <see cref="Bound"/>.</exception>
    public void Pass()
    {
        _reached.TrySetResult();
#pragma warning disable VSTHRD002 // Blocking is what the caller asks for: it simulates a native call that blocks.
        if (!_opened.Task.Wait(Bound))
#pragma warning restore VSTHRD002
        {
            throw NotOpened();
        }
    }

    /// <summary>Stands at the gate until it opens.</summary>
    /// <returns>A task that ends when it does.</returns>
    /// <exception cref="TimeoutException">It did not open within <see cref="Bound"/>.</exception>
    public async Task PassAsync()
    {
        _reached.TrySetResult();
        try
        {
            await _opened.Task.WaitAsync(Bound).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw NotOpened();
        }
    }

    private TimeoutException NotOpened() => new($"The gate was not opened within {Bound}.");
}
