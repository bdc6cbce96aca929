using BulkIn.Backends;

namespace BulkIn.Benchmarks;

/// <summary>An endpoint without a device or a thread: a transfer completes inside its submit, or when the benchmark says so.</summary>
/// <remarks>It checks nothing and keeps nothing but the order of its transfers, so what a benchmark measures is the queue.</remarks>
internal sealed class LoopbackBackend(int transferLength, bool completesAtOnce) : IBulkInBackend
{
    // A ring: the transfers posted and not completed, in the order of their submits. No depth used here is larger.
    private const int Places = 64;
    private readonly Transfer[] _posted = new Transfer[Places];
    private int _first;
    private int _next;

    public BulkInEndpoint Endpoint { get; } = new(0x81, EndpointTransferType.Bulk, 512);

    public BulkInCapabilities Capabilities => BulkInCapabilities.None;

    public bool IsClosed => false;

    /// <summary>Completes the transfer posted first, on this thread.</summary>
    public void CompleteNext()
    {
        Transfer transfer = _posted[_first % Places];
        _first++;
        transfer.Complete(TransferStatus.Completed, transferLength);
    }

    public TransferBuffer? AllocateBuffer(int length) => null;

    public IBulkInTransfer CreateTransfer(ITransferCompletion completion) => new Transfer(this, completion);

    public ValueTask<BackendResult> ClearHaltAsync() => new(default(BackendResult));

    public ValueTask<DevicePresence> ProbeAsync(TimeSpan bound) => new(DevicePresence.Present);

    public string? GetRemedy(BulkInError reported, BackendResult result) => null;

    public void Dispose()
    {
    }

    private void Submit(Transfer transfer)
    {
        if (completesAtOnce)
        {
            transfer.Complete(TransferStatus.Completed, transferLength);
        }
        else
        {
            _posted[_next++ % Places] = transfer;
        }
    }

    private sealed class Transfer(LoopbackBackend endpoint, ITransferCompletion completion) : IBulkInTransfer
    {
        private bool _isPosted;

        public BackendResult Submit(TransferBuffer buffer)
        {
            _isPosted = true;
            endpoint.Submit(this);
            return default;
        }

        public BackendResult Cancel()
        {
            if (!_isPosted)
            {
                return new BackendResult(BackendStatus.NotFound);
            }

            Complete(TransferStatus.Cancelled, 0);
            return default;
        }

        public void Complete(TransferStatus status, int length)
        {
            _isPosted = false;
            completion.Complete(status, length, 0);
        }

        public void Dispose()
        {
        }
    }
}
