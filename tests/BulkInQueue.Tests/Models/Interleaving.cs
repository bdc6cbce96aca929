namespace BulkIn;

/// <summary>Where somebody stands, in the middle of something, while other things happen.</summary>
public enum Window
{
    /// <summary>Nobody: the receive waits, or data waits for one.</summary>
    AtRest = 0,

    // The reader, that takes a transfer.

    /// <summary>In the submit of the slot it took the transfer from, before it is posted, under the queue's lock.</summary>
    Reposting,

    /// <summary>At the end of that submit.</summary>
    Reposted,

    /// <summary>In the submit when there is no spare buffer: after the copy.</summary>
    RepostingAfterCopy,

    /// <summary>In the copy to the caller's memory, outside of the lock, its slot posted again.</summary>
    Copying,

    // The transport, that reports a transfer with data.

    /// <summary>Before the report.</summary>
    Completing,

    /// <summary>After it.</summary>
    Completed,

    // The control, that recovers by itself.

    /// <summary>Before a cancel takes effect.</summary>
    Cancelling,

    /// <summary>After it did, before it returns.</summary>
    Cancelled,

    /// <summary>Waiting for the completion of what it cancelled.</summary>
    Draining,

    /// <summary>Asking whether the device is there.</summary>
    Probing,

    /// <summary>Behind the fault's publication.</summary>
    Reporting,

    /// <summary>Before the halt is cleared.</summary>
    Clearing,

    /// <summary>In the first submit, under the queue's lock.</summary>
    PostingAgain,

    /// <summary>Between two attempts.</summary>
    BackingOff,

    /// <summary>Behind its decision to leave the recovery to the user.</summary>
    GivingUp,

    // The control, that serves a verb.

    /// <summary>RecoverAsync, before the halt is cleared.</summary>
    RecoverClearing,

    /// <summary>RecoverAsync, in the first submit.</summary>
    RecoverPosting,

    /// <summary>PauseAsync, in a cancel.</summary>
    PauseCancelling,

    /// <summary>PauseAsync, waiting for completions.</summary>
    PauseDraining,

    /// <summary>ResumeAsync, before the halt is cleared.</summary>
    ResumeClearing,

    /// <summary>ResumeAsync, in the first submit.</summary>
    ResumePosting,

    /// <summary>StopAsync, in a cancel.</summary>
    StopCancelling,

    /// <summary>StopAsync, waiting for completions.</summary>
    StopDraining,

    /// <summary>DisposeAsync, in a cancel.</summary>
    DisposeCancelling,

    /// <summary>DisposeAsync, waiting for completions.</summary>
    DisposeDraining,
}

/// <summary>What happens in a window.</summary>
public enum Act
{
    // The device.
    Deliver = 0,
    Stall,
    Interrupt,
    Unplug,

    // The reader's.
    Cancel,
    Timeout,
    Receive,

    // Verbs.
    Recover,
    Pause,
    Resume,
    Stop,
    Dispose,
}

/// <summary>How somebody reads meanwhile.</summary>
public enum Reading
{
    /// <summary>Nobody does: two transfers with data wait.</summary>
    Nobody = 0,
    Awaiting,
    Blocking,
    Leasing,
}

/// <summary>What a window means for what happens in it.</summary>
internal static class WindowFacts
{
    extension(Window window)
    {
        /// <summary>The queue's user recovers, and the fault was thrown before.</summary>
        public bool IsManual => window is Window.RecoverClearing or Window.RecoverPosting or Window.ResumeClearing;

        /// <summary>Who stands there holds the queue's lock.</summary>
        public bool IsLocked => window is Window.Reposting or Window.Reposted or Window.RepostingAfterCopy or Window.PostingAgain or Window.RecoverPosting or Window.ResumePosting;

        /// <summary>Nobody stands there: completions are held back.</summary>
        public bool IsDraining => window is Window.Draining or Window.PauseDraining or Window.StopDraining or Window.DisposeDraining;

        /// <summary>There was a fault before.</summary>
        public bool IsFault => window.IsManual || window is >= Window.Cancelling and <= Window.GivingUp;

        /// <summary>The verbs that lead there, in order.</summary>
        public Act[] Verbs => window switch
        {
            Window.RecoverClearing or Window.RecoverPosting => [Act.Recover],
            Window.PauseCancelling or Window.PauseDraining => [Act.Pause],
            Window.ResumeClearing or Window.ResumePosting => [Act.Pause, Act.Resume],
            Window.StopCancelling or Window.StopDraining => [Act.Stop],
            Window.DisposeCancelling or Window.DisposeDraining => [Act.Dispose],
            _ => [],
        };

        /// <summary>Somebody can read like that meanwhile: a blocking receive has no memory to stand at, and nobody can begin to read while the lock is held.</summary>
        public bool Allows(Reading reading) => window switch
        {
            Window.Reposting or Window.Reposted => reading != Reading.Nobody,
            Window.RepostingAfterCopy => reading is Reading.Awaiting or Reading.Blocking,
            Window.Copying => reading == Reading.Awaiting,
            Window.RecoverPosting => reading == Reading.Nobody,
            _ => true,
        };
    }
}
