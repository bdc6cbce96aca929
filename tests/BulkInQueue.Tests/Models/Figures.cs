using System.Runtime.InteropServices;

namespace BulkIn;

/// <summary>The figures that queue and model must agree on after every step.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Figures(
    BulkInState State,
    long Transfers,
    long Bytes,
    long Discarded,
    long Faults,
    long Recoveries,
    long Deferred,
    int Posted,
    int Idle,
    int Free,
    int Leases,
    long Submissions);
