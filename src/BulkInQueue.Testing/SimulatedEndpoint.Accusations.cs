using System.Globalization;
using BulkIn.Backends;

namespace BulkIn.Testing;

// What the queue must not do, and who finds out. Members whose comment says so are called under _sync.
public sealed partial class SimulatedEndpoint
{
    // Under _sync.
    private void AccuseIfGuardsBroken(SimulatedBuffer buffer)
    {
        if (!buffer.GuardsHold)
        {
            throw Accuse($"Write outside of buffer {buffer.Number}.");
        }
    }

    // Under _sync.
    private void CheckFreedBuffers()
    {
        if (!Options.ChecksBuffers)
        {
            return;
        }

        foreach (SimulatedBuffer buffer in _buffers)
        {
            if (buffer.IsFreed && !buffer.StayedFreed)
            {
                _ = Accuse($"Write to buffer {buffer.Number} after it was freed.");
                buffer.MarkFreed(poison: true);
            }
        }
    }

    // Under _sync.
    private void AccuseIfDisposed(string call)
    {
        if (_isBackendDisposed)
        {
            throw Accuse($"{call} after the backend was disposed of.");
        }
    }

    // Under _sync. Keeps the accusation, so that a catch in the code under test cannot hide it; the caller throws it.
    private SimulationMisuseException Accuse(string what)
    {
        Record(SimulatedEventKind.Misuse);
        string when = Since(_created).TotalMilliseconds.ToString("0.000", CultureInfo.InvariantCulture);
        SimulationMisuseException accusation = new($"{what} At +{when} ms on thread \"{Thread.CurrentThread.Name ?? Environment.CurrentManagedThreadId.ToString(CultureInfo.InvariantCulture)}\". Last events:\n{Log.Describe(TailLength)}");
        _misuses.Add(accusation);
        return accusation;
    }

    // Under _sync.
    private static string Describe(SimulatedTransfer transfer) => transfer.Submission < 0
        ? string.Create(CultureInfo.InvariantCulture, $"the transfer of slot {transfer.Slot} (never submitted)")
        : string.Create(CultureInfo.InvariantCulture, $"the transfer of slot {transfer.Slot} (submission {transfer.Submission})");

    // Under _sync.
    private void CheckSubmit(SimulatedTransfer transfer, TransferBuffer buffer)
    {
        ArgumentNullException.ThrowIfNull(buffer);
        if (transfer.Phase == TransferPhase.Disposed)
        {
            throw Accuse($"Submit of {Describe(transfer)}, which was disposed of.");
        }

        AccuseIfDisposed("Submit");
        if (transfer.IsInFlight)
        {
            throw Accuse($"Submit of {Describe(transfer)} while it is still posted.");
        }

        if (transfer.IsCancelRunning)
        {
            throw Accuse($"Submit of {Describe(transfer)} while its cancel runs: the cancel would hit the new submission.");
        }

        if (_isClearingHalt)
        {
            throw Accuse($"Submit of {Describe(transfer)} while ClearHaltAsync runs.");
        }

        if (buffer is SimulatedBuffer own)
        {
            if (own.IsFreed)
            {
                throw Accuse($"Submit of {Describe(transfer)} with buffer {own.Number}, which was freed.");
            }

            if (own.Owner is { } owner)
            {
                throw Accuse($"Submit of {Describe(transfer)} with buffer {own.Number}, which {Describe(owner)} is posted with.");
            }
        }
        else if (Options.ChecksBuffers && FindInFlightWith(buffer) is { } other)
        {
            throw Accuse($"Submit of {Describe(transfer)} with memory that {Describe(other)} is posted with.");
        }

        if (buffer.Length <= 0 || buffer.Length % Options.MaxPacketSize != 0)
        {
            throw Accuse($"Submit of {Describe(transfer)} with {buffer.Length} bytes, not a positive multiple of the max packet size {Options.MaxPacketSize}.");
        }
    }

    // Under _sync. A loop and not a lambda: a closure would be allocated for every submit.
    private SimulatedTransfer? FindInFlightWith(TransferBuffer buffer)
    {
        foreach (SimulatedTransfer transfer in _transfers)
        {
            if (transfer.IsInFlight && Overlaps(transfer.Buffer!, buffer))
            {
                return transfer;
            }
        }

        return null;
    }

    private static bool Overlaps(TransferBuffer one, TransferBuffer other) =>
        ReferenceEquals(one, other) || (one.Address < other.Address + other.Length && other.Address < one.Address + one.Length);
}
