using System.Globalization;
using CsCheck;
using Xunit;
using Xunit.Abstractions;

namespace BulkIn;

/// <summary>
/// Random sequences of everything that readers, devices and systems do, on the queue and on a small model of its contract. A failure prints its seed and the
/// shortest sequence found that fails. <c>BULKIN_MODEL_SEED=…</c> runs it again, <c>BULKIN_MODEL_SEQUENCES=…</c> runs so many.
/// </summary>
public sealed class SequenceModelTests(ITestOutputHelper output)
{
    private const long DefaultCount = 100_000;

    // How often a kind is chosen among 100 or so.
    private static readonly (int Weight, StepKind Kind)[] Weights =
    [
        (14, StepKind.Deliver), (4, StepKind.DeliverMarked), (2, StepKind.ZeroLengthPacket), (4, StepKind.OutOfOrder),
        (3, StepKind.StallOnce), (3, StepKind.Halt), (3, StepKind.Error), (2, StepKind.Overflow), (1, StepKind.Strange),
        (2, StepKind.CancelUnasked), (2, StepKind.Reset), (1, StepKind.Sleep), (2, StepKind.Restore), (1, StepKind.Unplug),
        (2, StepKind.RefuseSubmit), (2, StepKind.NoMemory), (1, StepKind.ClearHaltFails), (1, StepKind.HaltsAgain), (3, StepKind.CancelBrings),
        (20, StepKind.Poll), (8, StepKind.Begin), (3, StepKind.Cancel), (3, StepKind.Elapse), (7, StepKind.Return), (2, StepKind.Discard),
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
        Gen.Int[1, 3],
        Gen.Bool,
        Gen.Int[0, 3],
        AnyStep.Array[1, 24],
        static (depth, spares, attempts, manual, platform, steps) =>
            new Sequence(depth, spares, attempts, manual ? BulkInRecovery.Manual : BulkInRecovery.Automatic, (Platform)platform, steps));

    [Fact]
    [FaultRow(64)]
    public async Task AnySequence_EndsAsInTheModel()
    {
        long count = Environment.GetEnvironmentVariable("BULKIN_MODEL_SEQUENCES") is { } asked ? long.Parse(asked, CultureInfo.InvariantCulture) : DefaultCount;
        Sequence? failing = null;
        long played = 0;
        try
        {
            await AnySequence.SampleAsync(
                async sequence =>
                {
                    // The first failure is enough: it is shrunk below.
                    if (Volatile.Read(ref failing) is not null)
                    {
                        return;
                    }

                    try
                    {
                        await SequenceRun.PlayAsync(sequence, Bounded.Limit);
                        _ = Interlocked.Increment(ref played);
                    }
                    catch (SequenceFailure)
                    {
                        _ = Interlocked.CompareExchange(ref failing, sequence, null);
                        throw;
                    }
                },
                output.WriteLine,
                seed: Environment.GetEnvironmentVariable("BULKIN_MODEL_SEED"),
                iter: count,
                print: static sequence => sequence.ToString());
        }
        catch (CsCheckException found)
        {
            Assert.Fail($"{found.Message.Split('\n')[0]}\n{await SequenceShrinker.ShrinkAsync(failing!)}");
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{played} sequences."));
        Assert.True(played >= count, $"Only {played} of {count} sequences were played.");
    }
}
