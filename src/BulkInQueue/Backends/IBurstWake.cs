namespace BulkIn.Backends;

/// <summary>Somebody to be woken once the thread that completes transfers has left its transport.</summary>
internal interface IBurstWake
{
    /// <summary>The next in the burst's list; a wake is in one list at a time.</summary>
    IBurstWake? NextInBurst { get; set; }

    /// <summary>Wakes, unless somebody else did meanwhile. It neither blocks nor runs user code.</summary>
    /// <param name="thread">Runs the continuation of one that awaits, if it is free.</param>
    void Signal(ResumeThread thread);

    /// <summary>Runs the continuation of one that awaits, after <see cref="Signal"/> handed it over: user code.</summary>
    void Resume();
}
