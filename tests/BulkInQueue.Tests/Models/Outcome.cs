using System.Runtime.InteropServices;

namespace BulkIn;

/// <summary>What a call ended with, from the queue or from the model, as far as the contract fixes it.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Outcome(string Text)
{
    public static Outcome Done { get; } = new("done");

    public static Outcome TimedOut { get; } = new("timed out");

    public static Outcome Stopped { get; } = new("stopped");

    public static Outcome Cancelled { get; } = new("cancelled");

    /// <summary>An <see cref="InvalidOperationException"/>.</summary>
    public static Outcome Refused { get; } = new("refused");

    public static Outcome Disposed { get; } = new("disposed");

    public static Outcome Data(ReadOnlySpan<byte> bytes, long transfer, int remaining, bool endOfMessage, bool untrusted) => new(FormattableString.Invariant(
        $"[{Convert.ToHexString(bytes)}] of transfer {transfer}{(remaining > 0 ? $", {remaining} more" : "")}{(endOfMessage ? ", end" : "")}{(untrusted ? ", untrusted" : "")}"));

    public static Outcome Fault(BulkInError error, long transfers, long bytes, long intactFrom, bool recovers) => new(FormattableString.Invariant(
        $"{error} at transfer {transfers}, byte {bytes}{(intactFrom == transfers ? "" : $", intact from {intactFrom}")}{(recovers ? ", recovers" : "")}"));

    /// <summary>A verb's fault: which one is the queue's to say, but that the device is gone.</summary>
    public static Outcome Failed(bool isTerminal) => new(isTerminal ? "failed, gone" : "failed");

    public static Outcome Discarded(long bytes) => new(FormattableString.Invariant($"{bytes} bytes discarded"));

    public override string ToString() => Text;
}
