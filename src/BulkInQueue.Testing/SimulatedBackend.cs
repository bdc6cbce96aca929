using BulkIn.Backends;

namespace BulkIn.Testing;

/// <summary>The queue's side of a <see cref="SimulatedEndpoint"/>: it forwards, so that the test's object has no call of the queue's on it.</summary>
internal sealed class SimulatedBackend(SimulatedEndpoint endpoint) : IBulkInBackend
{
    public BulkInEndpoint Endpoint => endpoint.Descriptor;

    public BulkInCapabilities Capabilities => endpoint.Options.Capabilities;

    public bool IsClosed => endpoint.IsHandleClosed;

    public TransferBuffer? AllocateBuffer(int length) => endpoint.AllocateBuffer(length);

    public IBulkInTransfer CreateTransfer(ITransferCompletion completion) => endpoint.CreateTransfer(completion);

    public ValueTask<BackendResult> ClearHaltAsync() => endpoint.ClearHaltAsync();

    public ValueTask<DevicePresence> ProbeAsync(TimeSpan bound) => endpoint.ProbeAsync(bound);

    public string? GetRemedy(BulkInError reported, BackendResult result) => endpoint.Options.Remedy?.Invoke(reported, result);

    public void Dispose() => endpoint.DisposeBackend();
}
