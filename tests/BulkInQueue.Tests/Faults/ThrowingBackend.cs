using BulkIn.Backends;

namespace BulkIn;

/// <summary>A user's transport whose members throw where they are told to, and do what the inner one does otherwise.</summary>
internal sealed class ThrowingBackend(IBulkInBackend inner) : IBulkInBackend
{
    private readonly HashSet<string> _throwing = [];

    /// <summary>Answers null where a transfer belongs.</summary>
    public bool CreatesNothing { get; init; }

    public BulkInEndpoint Endpoint => Do(nameof(Endpoint), () => inner.Endpoint);

    public BulkInCapabilities Capabilities => Do(nameof(Capabilities), () => inner.Capabilities);

    public bool IsClosed => inner.IsClosed;

    /// <summary>From now on these members throw. Those that free something do so first.</summary>
    public ThrowingBackend Throw(params string[] members)
    {
        _throwing.UnionWith(members);
        return this;
    }

    public TransferBuffer? AllocateBuffer(int length) => Do(nameof(AllocateBuffer), () => new Buffer(this, length));

    public IBulkInTransfer CreateTransfer(ITransferCompletion completion) => CreatesNothing ? null! : new Transfer(this, inner.CreateTransfer(completion));

    public ValueTask<BackendResult> ClearHaltAsync() => inner.ClearHaltAsync();

    public ValueTask<DevicePresence> ProbeAsync(TimeSpan bound) => inner.ProbeAsync(bound);

    public string? GetRemedy(BulkInError reported, BackendResult result) => inner.GetRemedy(reported, result);

    public void Dispose()
    {
        inner.Dispose();
        Do("Dispose", () => 0);
    }

    private T Do<T>(string member, Func<T> otherwise) => _throwing.Contains(member) ? throw new InvalidDataException($"The user's {member}.") : otherwise();

    private sealed class Transfer(ThrowingBackend backend, IBulkInTransfer transfer) : IBulkInTransfer
    {
        public BackendResult Submit(TransferBuffer buffer) => transfer.Submit(buffer);

        public BackendResult Cancel() => transfer.Cancel();

        public void Dispose()
        {
            transfer.Dispose();
            backend.Do("Transfer.Dispose", () => 0);
        }
    }

    private sealed class Buffer(ThrowingBackend backend, int length) : TransferBuffer
    {
        private readonly PinnedBuffer _memory = new(length);

        public override nint Address => _memory.Address;

        public override Memory<byte> Memory => _memory.Memory;

        protected override void Dispose(bool disposing) => backend.Do("Buffer.Dispose", () => 0);
    }
}
