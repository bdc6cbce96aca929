using System.Runtime.InteropServices;
using BulkIn.Core;

namespace BulkIn;

/// <summary>
/// A received transfer in the buffer it was received into: zero copy (from a <see cref="BulkInPump"/>: in pooled memory of its own). <see cref="Dispose"/> gives the
/// memory back. <see langword="default"/> is "timed out".
/// </summary>
/// <remarks>
/// Leases are returned in any order, from any thread; returning one twice, or a copy of it, does nothing more. They may outlive the queue: disposing of it
/// does not wait for them, and the last return frees the memory. While the queue has spare buffers a lease costs no posted depth; after that its slot stays idle
/// until the lease is returned.
/// </remarks>
[StructLayout(LayoutKind.Auto)]
public readonly struct BulkInLease : IDisposable, IEquatable<BulkInLease>
{
    private readonly LeasedBuffer? _buffer;
    private readonly int _generation;
    private readonly int _offset;

    internal BulkInLease(BulkInStatus status)
    {
        Status = status;
    }

    internal BulkInLease(in Received received)
    {
        Status = BulkInStatus.Data;
        _buffer = received.Buffer;
        _generation = received.Buffer.Lease();
        _offset = received.Offset;
        Length = received.Length;
        Sequence = received.Sequence;
        Timestamp = received.Timestamp;
        EndOfMessage = received.EndOfMessage;
        IsUntrusted = received.Untrusted;
    }

    /// <summary>The same transfer in other memory, from the buffer's start.</summary>
    internal BulkInLease(LeasedBuffer copy, in BulkInLease original)
    {
        Status = BulkInStatus.Data;
        _buffer = copy;
        _generation = copy.Lease();
        Length = original.Length;
        Sequence = original.Sequence;
        Timestamp = original.Timestamp;
        EndOfMessage = original.EndOfMessage;
        IsUntrusted = original.IsUntrusted;
    }

    /// <summary>Data, timed out or stopped. The other properties have a meaning only for <see cref="BulkInStatus.Data"/>.</summary>
    public BulkInStatus Status { get; }

    /// <summary>True for <see cref="BulkInStatus.Data"/>.</summary>
    public bool IsData => Status == BulkInStatus.Data;

    /// <summary>Bytes received. 0 is a real zero-length packet (or an empty transfer).</summary>
    public int Length { get; }

    /// <summary>True when the transfer ended in a short or zero-length packet, as <see cref="BulkInResult.EndOfMessage"/>.</summary>
    public bool EndOfMessage { get; }

    /// <summary>True when the bytes came with an overflow: more was sent than received, and how much is not known.</summary>
    public bool IsUntrusted { get; }

    /// <summary>The transfer's number in the stream, as <see cref="BulkInResult.Sequence"/>.</summary>
    public long Sequence { get; }

    /// <summary>When the transfer completed, as <see cref="System.Diagnostics.Stopwatch.GetTimestamp"/> in the completion callback.</summary>
    public long Timestamp { get; }

    /// <summary>The bytes received. Writable, for decoding in place. A <see cref="Memory{T}"/> kept beyond the return reads and writes whatever the buffer
    /// is used for next: do not keep it.</summary>
    /// <exception cref="ObjectDisposedException">The lease was returned.</exception>
    public Memory<byte> Memory
    {
        get
        {
            if (_buffer is null)
            {
                return default;
            }

            ObjectDisposedException.ThrowIf(!_buffer.IsLeased(_generation), typeof(BulkInLease));
            return _buffer.Memory.Slice(_offset, Length);
        }
    }

    /// <summary>The bytes received. A span kept beyond the return may read stale bytes.</summary>
    /// <exception cref="ObjectDisposedException">The lease was returned.</exception>
    public ReadOnlySpan<byte> Span => Memory.Span;

    /// <summary>Returns the buffer; a slot that waited for one is posted again before this returns. Never throws, never blocks on the bus.</summary>
    public void Dispose() => _buffer?.ReturnLease(_generation);

    /// <summary>True when both are the same lease.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    /// <returns>Whether they are the same lease.</returns>
    public static bool operator ==(BulkInLease left, BulkInLease right) => left.Equals(right);

    /// <summary>True when they are different leases.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    /// <returns>Whether they are different leases.</returns>
    public static bool operator !=(BulkInLease left, BulkInLease right) => !left.Equals(right);

    /// <inheritdoc/>
    public bool Equals(BulkInLease other) => ReferenceEquals(_buffer, other._buffer) && _generation == other._generation && Status == other.Status;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is BulkInLease other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_buffer, _generation, Status);
}
