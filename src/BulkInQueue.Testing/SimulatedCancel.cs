using BulkIn.Backends;

namespace BulkIn.Testing;

/// <summary>What becomes of a posted transfer when it is cancelled.</summary>
public enum CancelOutcome
{
    /// <summary>It ends with <see cref="TransferStatus.Cancelled"/> and the bytes it has; the plain case.</summary>
    Cancelled = 0,

    /// <summary>Its completion was already on the way: it ends with <see cref="TransferStatus.Completed"/>, and the cancel answers "not found".</summary>
    CompletedFirst,

    /// <summary>It ends with <see cref="TransferStatus.Cancelled"/>, but its completion is held until the test releases it.</summary>
    Late,

    /// <summary>Its completion never comes, unless the test calls <see cref="SimulatedEndpoint.ReleaseLost"/>.</summary>
    Lost,
}

/// <summary>How one cancel of a posted transfer goes. The default is the plain case.</summary>
public sealed record SimulatedCancel
{
    /// <summary>What becomes of the transfer.</summary>
    public CancelOutcome Outcome { get; init; }

    /// <summary>What the call answers; default success, or "not found" for <see cref="CancelOutcome.CompletedFirst"/>. It changes nothing about the completion.</summary>
    public BackendResult? Answer { get; init; }

    /// <summary>Bytes that reach the transfer before the cancel does, after what it holds already; cut to the room in its buffer. Default none.</summary>
    public ReadOnlyMemory<byte> Data { get; init; }

    /// <summary>Where the call blocks before anything happens, as a native cancel can. Default <see langword="null"/>: it does not.</summary>
    public SimulationGate? Gate { get; init; }
}
