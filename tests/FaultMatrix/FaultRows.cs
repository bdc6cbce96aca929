namespace BulkIn;

/// <summary>Where a fault is provoked.</summary>
[Flags]
internal enum FaultLevels
{
    None = 0,

    /// <summary>In a simulated endpoint: BulkInQueue.Tests.</summary>
    Simulated = 1,

    /// <summary>By a device, or by the kernel itself, on a real kernel and the real libusb: tests/kernel.</summary>
    Kernel = 2,

    /// <summary>There too, by a library between ours and the real libusb: tests/kernel/shim.</summary>
    Shim = 4,
}

/// <summary>
/// Every fault that the library is tested against, and where. Numbers are stable and have gaps; the unit tests name them with a FaultRow attribute, the kernel
/// bench's cases in their rows. At each level a test fails when a row has none there.
/// </summary>
internal static class FaultRows
{
    // Every row is simulated. These are shown on a real kernel as well; the others need a host controller, a platform or a moment that it cannot show.
    private static readonly HashSet<int> Kernel =
    [
        1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 15, 16, 18, 19, 20, 21, 23, 24, 25, 26, 27, 30, 31, 32, 33, 39, 40, 41, 43, 45, 47, 53, 55, 56, 58, 59, 62, 63, 64, 76, 84, 91, 92,
    ];

    private static readonly HashSet<int> Shim = [10, 14, 17, 23, 29, 38, 47, 48, 50, 53, 62, 66, 67, 68, 75, 90];

    public static readonly IReadOnlyDictionary<int, string> Titles = new SortedDictionary<int, string>
    {
        [1] = "short packets of every length up to one above the max packet size",
        [2] = "a zero-length packet, alone and after a full buffer",
        [3] = "a transfer that exactly fills its buffer",
        [4] = "a destination shorter than the transfer",
        [5] = "a device that floods while nobody receives",
        [7] = "two receives at once",
        [8] = "completions in any order",
        [9] = "leases returned in another order than taken, with and without spares",
        [10] = "a transfer that the system splits: short in the first part, failure in a later one",
        [11] = "a buffer length that is no positive multiple of the max packet size",
        [12] = "more data than the transfer takes",
        [13] = "an endpoint that cannot be queued",
        [14] = "no memory for a transfer object at open",
        [15] = "no memory for USB buffers at open",
        [16] = "no memory for USB buffers while running",
        [17] = "a re-submit refused after good data",
        [18] = "a kernel driver holds the interface",
        [19] = "no permission",
        [20] = "a stall with every slot posted",
        [21] = "data, data, a stall, data behind it",
        [23] = "clearing the halt fails",
        [24] = "a device that stalls again right after each recovery",
        [25] = "dispose during recovery, recovery during dispose",
        [26] = "one bus error among good transfers",
        [27] = "a bus error on every transfer",
        [29] = "an unknown status, a timeout status, an impossible length",
        [30] = "unplug, seen as bus errors first",
        [31] = "unplug, flushed newest first",
        [32] = "unplug with data in completed slots",
        [33] = "unplug during recovery, dispose and open",
        [35] = "unplug as Windows shows it",
        [36] = "unplug as macOS shows it",
        [37] = "a platform where one cancel aborts the endpoint",
        [38] = "a cancel that nobody asked for",
        [39] = "the device is deauthorized",
        [40] = "the driver is unbound, or the device reset by somebody else",
        [41] = "a device reset, with and without a pause",
        [43] = "the interface is released",
        [44] = "system sleep and resume",
        [45] = "dispose with many transfers posted",
        [47] = "a cancel that comes too late for a completed transfer",
        [48] = "a cancel that answers an error",
        [50] = "a completion that never comes",
        [53] = "the owner of a foreign handle closes it, or stops its event thread",
        [55] = "the owner of a foreign handle exits libusb",
        [56] = "a continuation that blocks, throws, or disposes of the queue",
        [58] = "another device while clearing a halt takes seconds",
        [59] = "dispose twice, at once, and with a receive pending",
        [62] = "no device memory to be had",
        [63] = "every max packet size",
        [64] = "any mix of all this with numbered data",

        // Found while the rows above were tested.
        [65] = "a timeout that expires between two rounds of one wait",
        [66] = "a stall, and a sibling whose cancel never completes",
        [67] = "a cancel that blocks beyond the bound while every completion comes",
        [68] = "completions that come after the bound, before dispose and during it",
        [69] = "one cancel aborts the endpoint, and the first one comes too late",
        [70] = "the handle is closed while a fault is being probed",
        [71] = "failing transfers that carry bytes, one after the other",
        [72] = "a logger that throws, blocks, or calls back",
        [73] = "a backend that throws",
        [74] = "dispose against the end of a recovery, a pause, a resume or a stop",
        [75] = "pause and stop that meet a missing completion",
        [76] = "unplug while nothing is posted: paused, faulted, stopped",
        [77] = "a destination that throws when it is written to",
        [78] = "every verb in every state",
        [79] = "a re-submit that proves the unplug, before and during a pause",
        [80] = "a token that ends the wait for a verb, which then fails",
        [81] = "a fault while every buffer is leased",
        [82] = "discarding up to a fault",
        [83] = "a probe that is never answered, or proves nothing",
        [84] = "timeouts and cancellations racing completions",
        [85] = "a pause or a stop cut short in the middle of a fault's classification",
        [86] = "a clock that throws",
        [87] = "a thread that is interrupted while it blocks in a receive",
        [88] = "a fault right after every recovery, bytes in between, and a verb that waits",
        [89] = "verbs that wait for a control that is blocked beyond the bound",
        [90] = "handling events is interrupted again and again, or fails for good",
        [91] = "a process that disposes of nothing",
        [92] = "a transfer that fails under its own cancel, which replaces its status",
    };

    /// <summary>Where a row must be tested.</summary>
    public static FaultLevels LevelsOf(int row) =>
        FaultLevels.Simulated
        | (Kernel.Contains(row) ? FaultLevels.Kernel : FaultLevels.None)
        | (Shim.Contains(row) ? FaultLevels.Shim : FaultLevels.None);
}
