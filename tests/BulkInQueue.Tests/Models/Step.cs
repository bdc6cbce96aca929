using System.Runtime.InteropServices;
using BulkIn.Backends;
using BulkIn.Testing;

namespace BulkIn;

/// <summary>What can happen in a sequence.</summary>
internal enum StepKind
{
    // The device.
    Deliver = 0,
    DeliverMarked,
    ZeroLengthPacket,
    OutOfOrder,
    StallOnce,
    Halt,
    Error,
    Overflow,
    Strange,
    CancelUnasked,
    Reset,
    Sleep,
    Restore,
    Unplug,

    // What calls will answer.
    RefuseSubmit,
    NoMemory,
    ClearHaltFails,
    HaltsAgain,
    CancelBrings,

    // The reader.
    Poll,
    Begin,
    Cancel,
    Elapse,
    Return,
    Discard,

    // Verbs.
    Recover,
    Pause,
    Resume,
    Stop,
    Dispose,
}

/// <summary>One thing that happens, with two numbers whose meaning depends on it: the properties say which, and hold for the kinds that <see cref="ToString"/> prints them for.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Step(StepKind Kind, int A, int B)
{
    private static readonly UnplugFlavor[] Flavors = Enum.GetValues<UnplugFlavor>();

    /// <summary>Bytes of a message: without a mark of its end when it is a multiple of the packet length.</summary>
    public int Length => Kind switch
    {
        StepKind.Deliver => 1 + (A % 20),
        StepKind.DeliverMarked => ReferenceDevice.PacketLength * (1 + (A % 5)),
        _ => 0,
    };

    /// <summary>Bytes that come with a failure or a cancel.</summary>
    public int Extra => A % 3;

    public int Count => 1 + (A % 3);

    public int Skip => B % 3;

    /// <summary>Bytes the reader has room for; null: it takes the whole transfer as a lease.</summary>
    public int? Room => A % 5 == 0 ? null : 1 + (A % 40);

    /// <summary>The way to poll: TryRecv, Recv, RecvAsync.</summary>
    public int Way => B % 3;

    public bool HasTimeout => B % 2 == 0;

    public bool HasDeadToken => B % 16 == 15;

    public bool CompletesFirst => B % 2 == 0;

    public TransferStatus Strange => (TransferStatus)(A % 2 == 0 ? (int)TransferStatus.TimedOut : 7);

    public Interruption Interruption => (Kind, A % 2) switch
    {
        (StepKind.Reset, 0) => Interruption.Reset,
        (StepKind.Reset, _) => Interruption.Release,
        (_, 0) => Interruption.Sleep,
        _ => Interruption.Deauthorize,
    };

    public UnplugFlavor Flavor => Flavors[A % Flavors.Length];

    public int GraceCalls => B % 6;

    public BackendStatus Refusal => (B % 4) switch
    {
        0 => BackendStatus.NoDevice,
        1 => BackendStatus.Pipe,
        _ => BackendStatus.Io,
    };

    public TimeSpan Time => TimeSpan.FromSeconds(1 + (A % 5));

    public override string ToString() => Kind switch
    {
        StepKind.Deliver or StepKind.DeliverMarked => FormattableString.Invariant($"{Kind} {Length} bytes"),
        StepKind.Error or StepKind.Overflow => FormattableString.Invariant($"{Kind} with {Extra} bytes"),
        StepKind.Strange => $"{Kind}: status {Strange}",
        StepKind.CancelUnasked => FormattableString.Invariant($"{Kind} {Count} transfers"),
        StepKind.Reset or StepKind.Sleep => $"{Kind}: {Interruption}",
        StepKind.Unplug => FormattableString.Invariant($"{Kind} as {Flavor}, grace {GraceCalls}"),
        StepKind.RefuseSubmit => FormattableString.Invariant($"{Kind} after {A % 3} more: {Refusal}"),
        StepKind.NoMemory => FormattableString.Invariant($"{Kind} for {Count} submits after {Skip} more"),
        StepKind.ClearHaltFails => FormattableString.Invariant($"{Kind} {Count} times"),
        StepKind.CancelBrings => FormattableString.Invariant($"{Kind} {Extra} bytes, {(CompletesFirst ? "completed" : "cancelled")}"),
        StepKind.Poll when HasDeadToken => $"{Kind} with a cancelled token",
        StepKind.Poll or StepKind.Begin => FormattableString.Invariant($"{Kind} {(Room is { } room ? $"{room} bytes" : "a lease")}{(Kind == StepKind.Begin && HasTimeout ? ", 5 s" : "")}"),
        StepKind.Elapse => FormattableString.Invariant($"{Kind} {Time.TotalSeconds} s"),
        StepKind.Return or StepKind.OutOfOrder => FormattableString.Invariant($"{Kind} ({A},{B})"),
        _ => Kind.ToString(),
    };
}

/// <summary>What the transport is like.</summary>
internal enum Platform
{
    Linux = 0,
    WindowsRawIo,
    Windows,
    MacOS,
}

/// <summary>A queue and what happens to it.</summary>
internal sealed record Sequence(int Depth, int Spares, int Attempts, BulkInRecovery Recovery, Platform Platform, Step[] Steps)
{
    public BulkInCapabilities Capabilities => Platform switch
    {
        Platform.Windows => BulkInCapabilities.StallMayMeanGone | BulkInCapabilities.ClearsHaltItself,
        Platform.WindowsRawIo => BulkInCapabilities.StallMayMeanGone | BulkInCapabilities.RawIo,
        Platform.MacOS => BulkInCapabilities.CancelAbortsEndpoint,
        _ => BulkInCapabilities.None,
    };

    public string Setup => FormattableString.Invariant($"depth {Depth}, {Spares} spares, {Recovery} recovery, {Attempts} attempts, {Platform}");

    public override string ToString() => $"{Setup}: {string.Join("; ", Steps)}";
}
