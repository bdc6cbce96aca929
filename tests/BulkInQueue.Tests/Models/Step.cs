using System.Runtime.InteropServices;

namespace BulkIn;

/// <summary>What can happen in a sequence.</summary>
internal enum StepKind
{
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
    RefuseSubmit,
    NoMemory,
    ClearHaltFails,
    HaltsAgain,
    Poll,
    Begin,
    Cancel,
    Elapse,
    Lease,
    Return,
    Discard,
    Recover,
    Pause,
    Resume,
    Stop,
    Dispose,
}

/// <summary>One thing that happens, with two numbers whose meaning depends on it.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Step(StepKind Kind, int A, int B)
{
    public override string ToString() => FormattableString.Invariant($"{Kind}({A},{B})");
}

/// <summary>A queue and what happens to it.</summary>
internal sealed record Sequence(int Depth, int Spares, BulkInRecovery Recovery, Step[] Steps)
{
    public override string ToString() => FormattableString.Invariant($"depth {Depth}, {Spares} spares, {Recovery}: {string.Join(' ', Steps)}");
}
