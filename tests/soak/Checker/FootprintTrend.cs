namespace BulkIn.Soak;

/// <summary>
/// Whether the footprint stays flat. Single looks jump: upwards with pools, collections and openings in progress, downwards while the device is closed. So what is usual in
/// the second quarter of the looks (the first warms up), the median of each, is compared with the least in the last quarter, which a leak raises for good.
/// </summary>
internal sealed class FootprintTrend
{
    /// <summary>Fewer looks say nothing.</summary>
    public const int LooksNeeded = 16;

    // Below one object per fault, or one handle or thread per few openings, of a run worth judging; above what is left of the noise.
    private const long MoreManaged = 1 << 20;
    private const long MoreResident = 8 << 20;
    private const int MoreThreads = 3;
    private const int MoreHandles = 4;

    private readonly List<Footprint> _looks = [];

    public bool IsJudged => _looks.Count >= LooksNeeded;

    public void Add(Footprint look) => _looks.Add(look);

    /// <summary>Says what grew, or null. Only where <see cref="IsJudged"/>.</summary>
    public string? Growth()
    {
        int quarter = _looks.Count / 4;
        Footprint early = Usual([.. _looks.Skip(quarter).Take(quarter)]);
        Footprint late = _looks.TakeLast(quarter).Aggregate(Footprint.Min);
        List<string> grown = [];
        AddIf(late.Managed > early.Managed + MoreManaged, "managed memory");
        AddIf(late.Resident > early.Resident + MoreResident, "resident memory");
        AddIf(late.Threads > early.Threads + MoreThreads, "threads");
        AddIf(late.Handles > early.Handles + MoreHandles, "handles");
        return grown.Count == 0 ? null : $"The footprint is not flat ({string.Join(", ", grown)}): usually {early} in the second quarter of the run, at least {late} in the last.";

        void AddIf(bool has, string what)
        {
            if (has)
            {
                grown.Add(what);
            }
        }
    }

    private static Footprint Usual(List<Footprint> looks)
    {
        return new Footprint(
            Median(static look => look.Managed),
            Median(static look => look.Resident),
            (int)Median(static look => look.Threads),
            (int)Median(static look => look.Handles),
            (int)Median(static look => look.IdleThreads));

        long Median(Func<Footprint, long> of) => looks.Select(of).Order().ElementAt(looks.Count / 2);
    }
}
