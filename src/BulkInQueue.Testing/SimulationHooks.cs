using System.Runtime.InteropServices;
using BulkIn.Backends;

namespace BulkIn.Testing;

/// <summary>A call of the queue, as a hook sees it.</summary>
/// <param name="Slot">The transfer's number in the order of creation.</param>
/// <param name="Submission">The number of its last accepted submit, or -1.</param>
/// <param name="Result">What the call answered; success in a hook that runs before the answer is known.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct SimulatedCall(int Slot, long Submission, BackendResult Result);

/// <summary>A completion, as a hook sees it.</summary>
/// <param name="Slot">The transfer's number in the order of creation.</param>
/// <param name="Submission">The number of the submit that ends.</param>
/// <param name="Status">How it ended.</param>
/// <param name="Length">Bytes received.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct SimulatedCompletion(int Slot, long Submission, TransferStatus Status, int Length);

/// <summary>
/// Places in the windows of races where a test can run code: it stands in the window instead of sleeping and hoping. Each hook runs on the thread of the
/// call it belongs to, never under the endpoint's lock; the endpoint's verbs may be called from it. Set them before the traffic starts.
/// </summary>
/// <remarks>
/// <see cref="Submitting"/> and <see cref="Submitted"/> run under the queue's lock, as Submit does: call the queue from another thread, and do not wait for
/// it there. An exception in a hook reaches the caller; on the endpoint's own thread it is kept for <see cref="SimulatedEndpoint.VerifyNoMisuse"/>.
/// </remarks>
public sealed class SimulationHooks
{
    internal SimulationHooks()
    {
    }

    /// <summary>Submit was called; nothing is posted yet.</summary>
    public Action<SimulatedCall>? Submitting { get; set; }

    /// <summary>Submit is about to return its answer; its completion may have been reported already.</summary>
    public Action<SimulatedCall>? Submitted { get; set; }

    /// <summary>Cancel was called; the transfer is still as it was.</summary>
    public Action<SimulatedCall>? Cancelling { get; set; }

    /// <summary>Cancel is about to return its answer; the completion may have been reported already.</summary>
    public Action<SimulatedCall>? Cancelled { get; set; }

    /// <summary>A completion is about to be reported; the transfer still belongs to the transport.</summary>
    public Action<SimulatedCompletion>? Completing { get; set; }

    /// <summary>A completion was reported; the transfer may have been submitted again.</summary>
    public Action<SimulatedCompletion>? Completed { get; set; }

    /// <summary>ClearHaltAsync was called; the halt is not cleared yet.</summary>
    public Action? ClearingHalt { get; set; }

    /// <summary>ProbeAsync was called; it is not answered yet.</summary>
    public Action? Probing { get; set; }
}
