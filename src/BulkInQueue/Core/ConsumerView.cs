namespace BulkIn.Core;

/// <summary>
/// A consumer that has the queue for longer than a call: a pipe, a stream, a pump, an enumeration, a message. While it does, it alone may receive, and everybody else is
/// refused with its name.
/// </summary>
/// <remarks>
/// <code>
/// free --Receiver.Claim (no receive in progress)--> held --Dispose--> free
/// </code>
/// Disposing of it while its own receive is in progress is allowed: that receive ends as it would have, and the queue is free after it.
/// </remarks>
internal sealed class ConsumerView(Receiver receiver, string name, string ending) : IDisposable
{
    /// <summary>Who it is, in a sentence "… is read by {Name}".</summary>
    public string Name => name;

    /// <summary>How it is ended, in the imperative.</summary>
    public string Ending => ending;

    public ValueTask<BulkInResult> RecvAsync(Memory<byte> destination, TimeSpan timeout, CancellationToken cancellationToken) =>
        receiver.RecvAsync(destination, timeout, cancellationToken, this);

    public BulkInResult Recv(Span<byte> destination) => receiver.Recv(destination, Timeout.InfiniteTimeSpan, this);

    public ValueTask<BulkInLease> LeaseAsync(CancellationToken cancellationToken) =>
        receiver.LeaseAsync(Timeout.InfiniteTimeSpan, cancellationToken, this);

    /// <summary>Blocks until there is a transfer, or the token is cancelled.</summary>
    public BulkInLease Lease(CancellationToken cancellationToken) => receiver.Lease(cancellationToken, this);

    /// <summary>False: nothing is ready.</summary>
    public bool TryLease(out BulkInLease lease) => receiver.TryLease(out lease, this);

    /// <summary>Bytes that this consumer took and its user never got.</summary>
    public void CountDiscarded(long bytes) => receiver.CountDiscarded(bytes);

    public void Dispose() => receiver.Release(this);
}
