namespace BulkIn.Testing;

/// <summary>What a <see cref="CaptureReplay"/> replays, and how.</summary>
public sealed record CaptureReplayOptions
{
    /// <summary>The IN endpoint's address, 0x81 to 0x8F. Default <see langword="null"/>: the first IN endpoint with completions.</summary>
    public byte? Endpoint { get; init; }

    /// <summary>The bus of the device. Default <see langword="null"/>: any.</summary>
    public int? Bus { get; init; }

    /// <summary>The device's address on its bus. Default <see langword="null"/>: the first device that has completions of the endpoint.</summary>
    public int? Device { get; init; }

    /// <summary>True: completions keep their recorded distances, measured by <see cref="TimeProvider"/>. Default false: as fast as transfers are posted.</summary>
    public bool RealTime { get; init; }

    /// <summary>The clock for <see cref="RealTime"/>; default the system's.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>
    /// The endpoint's max packet size, which a capture does not tell: a power of two from 8 to 1024 bytes, default 512, that of a high-speed bulk
    /// endpoint. The queue's buffer length must be a multiple of it.
    /// </summary>
    public int MaxPacketSize { get; init; } = 512;

    /// <summary>True: each delivery is noted for <see cref="CaptureReplay.TryTakeDelivery"/>, which must then be called for each transfer received.
    /// Default false.</summary>
    public bool NoteDeliveries { get; init; }
}
