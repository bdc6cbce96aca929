namespace BulkIn.Bench.Perf;

/// <summary>How the library is asked for data.</summary>
internal enum Way
{
    RecvAsync,
    Recv,
}

/// <summary>The clocks of the guest: see clocks.sh.</summary>
internal enum Clock
{
    /// <summary>Two processors, and time that passes slowly enough for them to be as quick as real ones.</summary>
    Slowed,

    /// <summary>One processor, whose instructions are the time.</summary>
    Counted,
}

/// <summary>One comparison: a shape of queue, a kind of memory, a way of receiving.</summary>
/// <param name="Depth">Transfers kept posted.</param>
/// <param name="Length">Bytes of each.</param>
/// <param name="Memory"><c>device</c> or <c>pinned</c>; the C side has its own of the same kind.</param>
/// <param name="Way">How the library's side receives.</param>
internal sealed record Shape(int Depth, int Length, string Memory, Way Way);

/// <summary>Which shapes are compared, in which order.</summary>
/// <param name="clock">How long things take.</param>
/// <param name="quick">A corner of the grid only.</param>
/// <param name="memory">One kind of memory only, or null for both.</param>
/// <param name="pingPongOnly">No throughput, only the latency of a request and its reply.</param>
internal sealed class Plan(Clock clock, bool quick, string? memory, bool pingPongOnly)
{
    private const int Kilobyte = 1024;
    private const int DeepestBlocking = 2;

    public IReadOnlyList<Shape> Shapes { get; } = pingPongOnly ? [] :
    [
        .. from kind in memory is null ? ["device", "pinned"] : new[] { memory }
        from kilobytes in quick ? [16, 64] : new[] { 4, 16, 64, 256 }
        from depth in quick ? [1, 4, 8] : new[] { 1, 2, 4, 8, 16, 32 }
        from way in depth <= DeepestBlocking ? [Way.RecvAsync, Way.Recv] : new[] { Way.RecvAsync }
        select new Shape(depth, kilobytes * Kilobyte, kind, way),
    ];

    /// <summary>Where other libraries are compared: they have no device memory of their own.</summary>
    public IReadOnlyList<Shape> PeerShapes { get; } = pingPongOnly ? [] :
    [
        .. from kilobytes in quick ? [16] : new[] { 16, 64 }
        from depth in quick ? [8] : new[] { 1, 8, 32 }
        select new Shape(depth, kilobytes * Kilobyte, "pinned", Way.RecvAsync),
    ];

    /// <summary>Rounds of one ping-pong job; on the slowed clock one lasts several milliseconds.</summary>
    public int Rounds => quick || clock == Clock.Slowed ? 1000 : 2000;
}
