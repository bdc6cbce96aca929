using BulkIn.Backends;

namespace BulkIn.Testing;

/// <summary>Where a transfer is.</summary>
/// <remarks>
/// <code>
/// Idle    --Submit-->    Posted     in the bus's list; takes data
/// Posted  --end-->       Retired    its result is fixed; the completion is queued, held or lost
/// Retired --completion--> Idle      handed back just before Complete is called
/// Idle    --Dispose-->   Disposed
/// </code>
/// </remarks>
internal enum TransferPhase
{
    Idle = 0,
    Posted,
    Retired,
    Disposed,
}

/// <summary>One transfer. All state is guarded by the endpoint's lock.</summary>
internal sealed class SimulatedTransfer(SimulatedEndpoint endpoint, ITransferCompletion completion, int slot) : IBulkInTransfer
{
    internal ITransferCompletion Completion { get; } = completion;

    internal int Slot { get; } = slot;

    internal TransferPhase Phase { get; set; }

    internal long Submission { get; set; } = -1;

    internal TransferBuffer? Buffer { get; set; }

    /// <summary>Bytes written into the buffer since the submit.</summary>
    internal int Filled { get; set; }

    internal SimulatedTransfer? Older { get; set; }

    internal SimulatedTransfer? Newer { get; set; }

    internal bool IsCancelRunning { get; set; }

    internal bool IsInFlight => Phase is TransferPhase.Posted or TransferPhase.Retired;

    internal Span<byte> Bytes => Buffer is SimulatedBuffer own ? own.Bytes : Buffer!.Memory.Span;

    public BackendResult Submit(TransferBuffer buffer) => endpoint.Submit(this, buffer);

    public BackendResult Cancel() => endpoint.Cancel(this);

    public void Dispose() => endpoint.DisposeTransfer(this);
}
