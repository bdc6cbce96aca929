using BulkIn.Backends;

namespace BulkIn.Core;

/// <summary>How a transfer ended, for the counters. The queue's own cancels are no outcome, unless they brought bytes.</summary>
internal enum TransferOutcome
{
    Data = 0,
    ZeroLength,
    Stall,
    Error,
    Overflow,
    Cancelled,
    NoDevice,
    TimedOut,
    Other,
}

/// <summary>What the counters make of a transfer's end.</summary>
internal static class TransferOutcomes
{
    public const int Count = (int)TransferOutcome.Other + 1;

    public static TransferOutcome Of(TransferStatus status, bool failed, int length) => status switch
    {
        _ when !failed => length == 0 ? TransferOutcome.ZeroLength : TransferOutcome.Data,
        TransferStatus.Stall => TransferOutcome.Stall,
        TransferStatus.Error => TransferOutcome.Error,
        TransferStatus.Overflow => TransferOutcome.Overflow,
        TransferStatus.Cancelled => TransferOutcome.Cancelled,
        TransferStatus.NoDevice => TransferOutcome.NoDevice,
        TransferStatus.TimedOut => TransferOutcome.TimedOut,
        _ => TransferOutcome.Other,
    };
}
