using System.Collections.Concurrent;

namespace BulkIn.Core;

/// <summary>
/// Pools whose transfers never completed. The hardware may still write into their buffers and libusb may still call their slots, so they are
/// kept reachable until the process ends: a leak on purpose instead of a use after free.
/// </summary>
internal static class AbandonedTransfers
{
    private static readonly ConcurrentBag<SlotPool> Kept = [];

    public static void Keep(SlotPool pool) => Kept.Add(pool);
}
