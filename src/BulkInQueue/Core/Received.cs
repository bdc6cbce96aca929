using System.Runtime.InteropServices;

namespace BulkIn.Core;

/// <summary>A completed transfer, detached from its slot: its buffer and what a receive reports of it.</summary>
[StructLayout(LayoutKind.Auto)]
internal struct Received
{
    /// <summary>Owned by whoever holds this value.</summary>
    public QueueBuffer Buffer;

    /// <summary>Where the undelivered bytes start.</summary>
    public int Offset;

    /// <summary>Undelivered bytes.</summary>
    public int Length;

    public long Sequence;

    public long Timestamp;

    /// <summary>Ended by a short or zero-length packet.</summary>
    public bool EndOfMessage;

    /// <summary>The bytes came with an overflow.</summary>
    public bool Untrusted;
}
