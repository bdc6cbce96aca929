namespace BulkIn.Bench;

/// <summary>
/// Whether a process holds more and more memory. Single looks jump, always upwards from what is really held, and the first ones warm up: code that runs for the first time brings
/// its data in. So the least of the second quarter of the looks is compared with the least of the last.
/// </summary>
internal sealed class MemoryTrend
{
    private const long MoreManaged = 1024;
    private const long MoreAnonymous = 2048;

    private readonly List<ProcessResources> _looks = [];

    /// <summary>Looks, after everything that is not held was given back.</summary>
    /// <returns>What the process holds.</returns>
    public ProcessResources Look()
    {
        // Aggressive gives unused memory back to the system, so that what is left is what is held.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        GC.WaitForPendingFinalizers();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        ProcessResources look = ProcessResources.Now();
        _looks.Add(look);
        return look;
    }

    /// <summary>Fails the case when the looks hold more and more.</summary>
    /// <returns>The figures.</returns>
    public string RequireFlat()
    {
        int quarter = _looks.Count / 4;
        List<ProcessResources> early = _looks.GetRange(quarter, quarter), late = _looks.GetRange(_looks.Count - quarter, quarter);
        (long before, long after) = (early.Min(look => look.AnonymousKilobytes), late.Min(look => look.AnonymousKilobytes));
        (long managedBefore, long managedAfter) = (early.Min(look => look.ManagedKilobytes), late.Min(look => look.ManagedKilobytes));
        string figures = $"memory {before} kB, then {after} kB, of it managed {managedBefore} kB, then {managedAfter} kB";
        CaseContext.Require(after <= before + MoreAnonymous && managedAfter <= managedBefore + MoreManaged, $"memory is not flat: {figures}; each look in kB: {string.Join(' ', _looks.Select(look => look.AnonymousKilobytes))}");
        return figures;
    }
}
