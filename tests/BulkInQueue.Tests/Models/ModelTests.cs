using CsCheck;
using Xunit;
using Xunit.Abstractions;

namespace BulkIn;

/// <summary>
/// Random sequences of everything that readers, devices and systems do, against the expected stream. A failure prints its seed and the shrunk sequence; run it again with
/// <c>BULKIN_MODEL_SEED=…</c>, or for longer with <c>BULKIN_MODEL_SEQUENCES=…</c>.
/// </summary>
public sealed class ModelTests(ITestOutputHelper output)
{
    // How often a kind is chosen among 100 or so.
    private static readonly (int Weight, StepKind Kind)[] Weights =
    [
        (16, StepKind.Deliver), (4, StepKind.DeliverMarked), (2, StepKind.ZeroLengthPacket), (4, StepKind.OutOfOrder),
        (3, StepKind.StallOnce), (3, StepKind.Halt), (3, StepKind.Error), (2, StepKind.Overflow), (1, StepKind.Strange),
        (2, StepKind.CancelUnasked), (2, StepKind.Reset), (1, StepKind.Sleep), (2, StepKind.Restore), (1, StepKind.Unplug),
        (2, StepKind.RefuseSubmit), (2, StepKind.NoMemory), (1, StepKind.ClearHaltFails), (1, StepKind.HaltsAgain),
        (14, StepKind.Poll), (7, StepKind.Begin), (3, StepKind.Cancel), (3, StepKind.Elapse), (7, StepKind.Lease), (7, StepKind.Return), (2, StepKind.Discard),
        (5, StepKind.Recover), (4, StepKind.Pause), (4, StepKind.Resume), (1, StepKind.Stop), (1, StepKind.Dispose),
    ];

    private static readonly Gen<Step> AnyStep = Gen.Select(
        Gen.Frequency([.. Weights.Select(w => (w.Weight, Gen.Const(w.Kind)))]),
        Gen.Int[0, 99],
        Gen.Int[0, 99],
        static (kind, a, b) => new Step(kind, a, b));

    private static readonly Gen<Sequence> AnySequence = Gen.Select(
        Gen.Int[1, 4],
        Gen.Int[0, 2],
        Gen.Bool,
        AnyStep.Array[1, 24],
        static (depth, spares, manual, steps) => new Sequence(depth, spares, manual ? BulkInRecovery.Manual : BulkInRecovery.Automatic, steps));

    [SkippableFact]
    [FaultRow(64)]
    public async Task AnySequence_DeliversTheExpectedStream()
    {
        // The model does not allow yet for a reader that takes a fault before, or after, the control proves the unplug behind it.
        bool asked = long.TryParse(Environment.GetEnvironmentVariable("BULKIN_MODEL_SEQUENCES"), out long count);
        Skip.IfNot(asked, "Random sequences run on demand: set BULKIN_MODEL_SEQUENCES to their number, for example 100000.");
        await AnySequence.SampleAsync(
            SequenceRun.PlayAsync,
            output.WriteLine,
            seed: Environment.GetEnvironmentVariable("BULKIN_MODEL_SEED"),
            iter: count,
            print: static sequence => sequence.ToString());
    }
}
