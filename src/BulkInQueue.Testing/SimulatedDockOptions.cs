using System.Buffers.Binary;

namespace BulkIn.Testing;

/// <summary>What a <see cref="SimulatedDock"/> sends for an OUT message.</summary>
/// <param name="number">The OUT's number: 1, 2, 3, … in the order written.</param>
/// <param name="message">Its bytes.</param>
/// <returns>The replies, in order; none is allowed.</returns>
public delegate IReadOnlyList<ReadOnlyMemory<byte>> DockReplies(long number, ReadOnlyMemory<byte> message);

/// <summary>How a <see cref="SimulatedDock"/> is set up.</summary>
public sealed record SimulatedDockOptions
{
    /// <summary>The IN endpoint. The dock limits its FIFO itself: leave <see cref="SimulatedEndpointOptions.FifoCapacity"/> unset. Its clock is the dock's.
    /// Default address 0x84, max packet size 1024: the control IN endpoint of a SuperSpeed dock.</summary>
    public SimulatedEndpointOptions Endpoint { get; init; } = new() { Address = 0x84, MaxPacketSize = 1024, DeviceName = "simulated dock" };

    /// <summary>Replies that the dock's FIFO holds. While it is full, OUT is NAKed. At least 1, default 2.</summary>
    public int FifoReplies { get; init; } = 2;

    /// <summary>Bytes that the dock's FIFO holds, besides the limit on replies; a reply larger than that goes into an empty FIFO alone. Default
    /// <see langword="null"/>: no limit.</summary>
    public int? FifoBytes { get; init; }

    /// <summary>The time between the acceptance of an OUT and its replies, by the clock of <see cref="Endpoint"/>. Not negative, default zero: at once.</summary>
    public TimeSpan ReplyDelay { get; init; }

    /// <summary>The replies to each OUT; called on the thread that writes it, when it is written. Default: one reply of 32 bytes that starts with the OUT's
    /// number as a little-endian 64-bit integer.</summary>
    public DockReplies Replies { get; init; } = static (number, _) =>
    {
        byte[] reply = new byte[32];
        BinaryPrimitives.WriteInt64LittleEndian(reply, number);
        return [reply];
    };
}
