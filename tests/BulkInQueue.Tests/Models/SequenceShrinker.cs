namespace BulkIn;

/// <summary>Makes a failing sequence short: drops steps, then makes what is left plainer, for as long as it fails.</summary>
internal static class SequenceShrinker
{
    // A sequence fails each time or never; more than one try finds the one that fails now and then, which is then a race.
    private const int Tries = 3;

    // A hang is tried dozens of times: too short a wait here only makes the sequence found longer.
    private static readonly TimeSpan ShortLimit = TimeSpan.FromSeconds(3);

    /// <returns>What the shortest sequence found fails with.</returns>
    public static async Task<string> ShrinkAsync(Sequence failing)
    {
        if (await FailureAsync(failing, Bounded.Limit) is not { } failure)
        {
            return $"This failed once, and not in {Tries} more tries, so something in it is a race:\n{failing}";
        }

        bool shrank = true;
        while (shrank)
        {
            shrank = false;
            foreach (Sequence candidate in Candidates(failing))
            {
                if (await FailureAsync(candidate, ShortLimit) is { } again)
                {
                    (failing, failure, shrank) = (candidate, again, true);
                    break;
                }
            }
        }

        return failure;
    }

    private static IEnumerable<Sequence> Candidates(Sequence sequence)
    {
        Step[] steps = sequence.Steps;
        for (int length = steps.Length / 2; length >= 1; length /= 2)
        {
            for (int at = steps.Length - length; at >= 0; at--)
            {
                yield return sequence with { Steps = [.. steps[..at], .. steps[(at + length)..]] };
            }
        }

        if (sequence.Platform != Platform.Linux)
        {
            yield return sequence with { Platform = Platform.Linux };
        }

        if (sequence.Depth > 1)
        {
            yield return sequence with { Depth = sequence.Depth - 1 };
        }

        if (sequence.Spares > 0)
        {
            yield return sequence with { Spares = sequence.Spares - 1 };
        }

        if (sequence.Attempts > 1)
        {
            yield return sequence with { Attempts = sequence.Attempts - 1 };
        }

        for (int at = 0; at < steps.Length; at++)
        {
            foreach (Step plainer in (Step[])[steps[at] with { A = 0 }, steps[at] with { A = steps[at].A / 2 }, steps[at] with { A = Math.Max(0, steps[at].A - 1) }, steps[at] with { B = 0 }])
            {
                if (plainer != steps[at])
                {
                    yield return sequence with { Steps = [.. steps[..at], plainer, .. steps[(at + 1)..]] };
                }
            }
        }
    }

    private static async Task<string?> FailureAsync(Sequence sequence, TimeSpan limit)
    {
        for (int i = 0; i < Tries; i++)
        {
            try
            {
                await SequenceRun.PlayAsync(sequence, limit);
            }
            catch (SequenceFailure failure)
            {
                return failure.Message;
            }
        }

        return null;
    }
}
