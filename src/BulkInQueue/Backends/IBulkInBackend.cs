namespace BulkIn.Backends;

/// <summary>
/// One bulk or interrupt IN endpoint of one opened device: what a <see cref="BulkInQueue"/> needs of a transport, and no more.
/// Implement it to run the queue over something other than libusb, or mock it (Moq can: no member takes a span or a pointer).
/// </summary>
/// <remarks>
/// <para>Call order, from <see cref="BulkInQueue.Open(IBulkInBackend, BulkInQueueOptions?)"/> to the end:</para>
/// <code>
/// Endpoint, Capabilities → AllocateBuffer × (depth + spare) → CreateTransfer × depth
///   → { Submit | Cancel | ClearHaltAsync | ProbeAsync }*
///   → Dispose of each transfer → Dispose of each buffer → Dispose of the backend
/// </code>
/// <para>The queue calls <see cref="ClearHaltAsync"/> only while no transfer is posted, disposes of a transfer only after its last
/// completion was reported, and disposes of the backend last. When a completion never comes, the queue disposes of neither that transfer,
/// nor its buffer, nor the backend: whatever they stand on must then stay alive until the process ends.</para>
/// </remarks>
public interface IBulkInBackend : IDisposable
{
    /// <summary>The endpoint's descriptor, as the claimed interface and active alternate setting have it. Constant.</summary>
    BulkInEndpoint Endpoint { get; }

    /// <summary>What this platform and handle do differently from the plain case. Constant after the first call.</summary>
    BulkInCapabilities Capabilities { get; }

    /// <summary>
    /// True once somebody else closed the handle this backend stands on. Only looked at, once a second and from any thread, where
    /// <see cref="Capabilities"/> has <see cref="BulkInCapabilities.OwnerMayClose"/>. Once true, it stays true, and completions can no longer be
    /// expected.
    /// </summary>
    bool IsClosed { get; }

    /// <summary>Allocates memory that the transport can write into at any time while a transfer is posted.</summary>
    /// <param name="length">Bytes; a positive multiple of the endpoint's max packet size.</param>
    /// <returns>The buffer, owned by the queue, or <see langword="null"/> when the backend has no memory of its own to offer: the queue then
    /// uses a <see cref="PinnedBuffer"/>.</returns>
    TransferBuffer? AllocateBuffer(int length);

    /// <summary>Creates one transfer for <see cref="Endpoint"/>; nothing is submitted yet.</summary>
    /// <param name="completion">Told of each completion of this transfer, from any thread.</param>
    /// <returns>The transfer, owned by the queue.</returns>
    /// <exception cref="OutOfMemoryException">The transport has no memory for it. Transfers created before are disposed of by the queue.</exception>
    IBulkInTransfer CreateTransfer(ITransferCompletion completion);

    /// <summary>
    /// Clears the endpoint's halt on device and host and resets the data toggle or sequence. Called only while nothing is posted.
    /// It may take as long as a control transfer (5 s on Linux) and must not block its caller for that long.
    /// </summary>
    /// <returns>Success, or why not; it never throws.</returns>
    ValueTask<BackendResult> ClearHaltAsync();

    /// <summary>
    /// Asks whether the device is still attached, without claiming, resetting or clearing anything (a GET_STATUS of the device).
    /// </summary>
    /// <param name="bound">How long to wait for the device's answer. An answer that does not come within it means "present".</param>
    /// <returns>What is proved; it never throws.</returns>
    ValueTask<DevicePresence> ProbeAsync(TimeSpan bound);

    /// <summary>
    /// One sentence for the end of an error message: what the user of this transport can do about it (a udev rule, a limit's file and
    /// figures, the driver to install).
    /// </summary>
    /// <param name="reported">The error about to be reported.</param>
    /// <param name="result">The native result behind it; success when a transfer's status was the cause.</param>
    /// <returns>The sentence, or <see langword="null"/> when the backend has nothing to add.</returns>
    string? GetRemedy(BulkInError reported, BackendResult result);
}
