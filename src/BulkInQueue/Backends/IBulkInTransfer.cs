namespace BulkIn.Backends;

/// <summary>One reusable asynchronous IN transfer.</summary>
/// <remarks>
/// <code>
/// Idle    --Submit: success-->            Posted   the transport owns the buffer
/// Idle    --Submit: failure-->            Idle     the buffer was never taken
/// Posted  --ITransferCompletion.Complete--> Idle   the buffer is the queue's again
/// Posted  --Cancel-->                     Posted   until Complete comes
/// Idle    --Dispose-->                    freed
/// </code>
/// <para>The queue never submits or disposes of a posted transfer, never calls two members of one transfer at once except
/// <see cref="Cancel"/>, which may race with the completion, and disposes of it only after <see cref="Cancel"/> returned.</para>
/// </remarks>
public interface IBulkInTransfer : IDisposable
{
    /// <summary>
    /// Hands the transfer to the transport. Called under the queue's lock, so it must not wait for a completion or call user code.
    /// The completion may be reported, on another thread or this one, before the call returns.
    /// </summary>
    /// <param name="buffer">Where the data goes, over its whole length; it stays untouched by the queue until the completion.</param>
    /// <returns>Success: exactly one completion follows. Anything else: none does.</returns>
    BackendResult Submit(TransferBuffer buffer);

    /// <summary>
    /// Asks for an early completion. It may block for as long as the host controller takes, so the queue calls it from a thread of its own,
    /// and for a transfer that may have completed meanwhile. Whatever it answers, a posted transfer's completion still comes.
    /// </summary>
    /// <returns>Success, <see cref="BackendStatus.NotFound"/> when it was no longer cancellable, or why not. Informative only.</returns>
    BackendResult Cancel();
}
