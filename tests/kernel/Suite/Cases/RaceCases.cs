using BulkIn.DeviceScript;

namespace BulkIn.Bench;

/// <summary>Waits that end at the very moment when data arrives.</summary>
internal static class RaceCases
{
    private const int Queues = 4;
    private const int Depth = 4;
    private const int Length = 100;

    // Answers about as far apart as the ends of the waits are, and overtaking each other.
    private static readonly string Uneven = $"on 0x84\ndata {Length} after 1ms\ndata {Length} after 3ms\ndata {Length} after 2ms\ndata {Length}\nrepeat";

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("race.timeout-and-cancel", "Timeouts and cancellations that race completions (20 000 waits, 100 000 with --full) lose no transfer, and end no wait but their own.", Race)
        {
            Rows = [new FaultRow(84)],
            TimeLimit = TimeSpan.FromSeconds(180),
            FullTimeLimit = TimeSpan.FromMinutes(30),
        },
    ];

    private static async Task Race(CaseContext context)
    {
        int seed = Environment.TickCount;
        int waits = context.Size(100_000, 20_000);
        List<Rig> rigs = [];
        Tally all = default;
        try
        {
            for (int number = 0; number < Queues; number++)
            {
                rigs.Add(Rig.OnVirtual(context, Uneven, observe: false));
            }

            foreach (Tally each in await Task.WhenAll(rigs.Select((rig, number) => Task.Run(() => RaceAsync(rig, seed + number, waits / Queues)))))
            {
                all += each;
            }
        }
        finally
        {
            foreach (Rig rig in rigs)
            {
                await rig.DisposeAsync();
            }
        }

        CaseContext.Figure($"seed {seed}: {waits} waits of {Queues} queues, {all.Ended} ended by data, {all.TimedOut} timed out, {all.Cancelled} cancelled; {all.Transfers} transfers");
        CaseContext.Require(all.Ended > waits / 20 && all.TimedOut > waits / 20 && all.Cancelled > waits / 20, "there were no races to speak of");
    }

    // Only a receive that had to wait can race.
    private static async Task<Tally> RaceAsync(Rig rig, int seed, int waits)
    {
        var random = new Random(seed);
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        byte[] buffer = new byte[Rig.BufferLength];
        Tally tally = default;
        while (tally.Waits < waits)
        {
            using var end = new CancellationTokenSource();
            bool isCancelled = random.Next(2) == 0;
            ValueTask<BulkInResult> receive = queue.RecvAsync(buffer, isCancelled ? CaseContext.Patience : TimeSpan.FromMilliseconds(random.Next(1, 4)), end.Token);
            bool waited = !receive.IsCompleted;
            if (isCancelled)
            {
                await CancelSoonAsync(end, random);
            }

            BulkInResult result;
            try
            {
                result = await receive;
            }
            catch (OperationCanceledException)
            {
                tally.Cancelled++;
                continue;
            }

            if (!result.IsData)
            {
                CaseContext.Require(!isCancelled, $"seed {seed}: a wait of {CaseContext.Patience.TotalSeconds:0} s ended in {result.Status}");
                tally.TimedOut++;
                continue;
            }

            CaseContext.Require(
                result.Length == Length && SequencedPayload.FirstDifference(buffer.AsSpan(0, Length), tally.Transfers) < 0,
                $"seed {seed}: transfer {tally.Transfers} is not the one the device sent, but {SequencedPayload.Read(buffer.AsSpan(0, result.Length))} with {result.Length} bytes");
            tally.Transfers++;
            tally.Ended += waited ? 1 : 0;
        }

        CaseContext.Require(queue.Statistics.Faults == 0, $"seed {seed}: {queue.Statistics.Faults} faults were counted");
        CaseContext.Require(queue.Statistics.Transfers >= tally.Transfers, $"seed {seed}: the library counts {queue.Statistics.Transfers} transfers of {tally.Transfers} received");
        return tally;
    }

    // At once, within microseconds, or by a timer, as the data's end comes.
    private static async Task CancelSoonAsync(CancellationTokenSource end, Random random)
    {
        switch (random.Next(3))
        {
            case 0:
                end.Cancel();
                break;
            case 1:
                Thread.SpinWait(random.Next(10_000));
                end.Cancel();
                break;
            default:
                await Task.Delay(random.Next(1, 4), CancellationToken.None);
                await end.CancelAsync();
                break;
        }
    }

    private record struct Tally(int Transfers, int Ended, int TimedOut, int Cancelled)
    {
        public readonly int Waits => Ended + TimedOut + Cancelled;

        public static Tally operator +(Tally one, Tally other) =>
            new(one.Transfers + other.Transfers, one.Ended + other.Ended, one.TimedOut + other.TimedOut, one.Cancelled + other.Cancelled);
    }
}
