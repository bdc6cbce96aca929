using System.Collections.Concurrent;
using BulkIn.Backends;
using Xunit;

namespace BulkIn.Testing;

/// <summary>A well-behaved user of the seam, without a queue: some transfers with a buffer each, and a record of their completions.</summary>
internal sealed class SeamHost : IDisposable
{
    private readonly IBulkInBackend _backend;

    public SeamHost(SimulatedEndpoint endpoint, int transfers = 1, int bufferLength = 1024)
    {
        _backend = endpoint.Backend;
        Buffers = [.. Enumerable.Range(0, transfers).Select(_ => _backend.AllocateBuffer(bufferLength) ?? new PinnedBuffer(bufferLength))];
        Transfers = [.. Enumerable.Range(0, transfers).Select(slot => _backend.CreateTransfer(new Sink(this, slot)))];
    }

    public TransferBuffer[] Buffers { get; }

    public IBulkInTransfer[] Transfers { get; }

    public ConcurrentQueue<Seen> Completions { get; } = new();

    public Action<int>? OnComplete { get; set; }

    public IEnumerable<int> Order => Completions.Select(c => c.Slot);

    public IEnumerable<TransferStatus> Statuses => Completions.Select(c => c.Status);

    public BackendResult Submit(int slot) => Transfers[slot].Submit(Buffers[slot]);

    public SeamHost SubmitAll()
    {
        for (int slot = 0; slot < Transfers.Length; slot++)
        {
            Assert.True(Submit(slot).IsSuccess);
        }

        return this;
    }

    public byte[] Bytes(int slot, int length) => Buffers[slot].Memory[..length].ToArray();

    /// <summary>Cancels what is posted, newest first, and frees everything in the right order.</summary>
    public void Dispose()
    {
        for (int slot = Transfers.Length - 1; slot >= 0; slot--)
        {
            _ = Transfers[slot].Cancel();
        }

        Array.ForEach(Transfers, t => t.Dispose());
        Array.ForEach(Buffers, b => b.Dispose());
        _backend.Dispose();
    }

    internal readonly record struct Seen(int Slot, TransferStatus Status, int Length, int Native, int Thread);

    private sealed class Sink(SeamHost host, int slot) : ITransferCompletion
    {
        public void Complete(TransferStatus status, int actualLength, int nativeStatus)
        {
            host.Completions.Enqueue(new Seen(slot, status, actualLength, nativeStatus, Environment.CurrentManagedThreadId));
            host.OnComplete?.Invoke(slot);
        }
    }
}
