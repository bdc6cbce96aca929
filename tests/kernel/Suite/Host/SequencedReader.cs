using BulkIn.DeviceScript;
using BulkIn.UsbMon;

namespace BulkIn.Bench;

/// <summary>Receives numbered transfers one after the other, and says what is wrong when one is not the next.</summary>
/// <param name="queue">From which.</param>
/// <param name="rig">Whose observer tells what became of a transfer that does not arrive; null without one.</param>
internal sealed class SequencedReader(BulkInQueue queue, Rig? rig = null)
{
    private readonly byte[] _buffer = new byte[queue.BufferLength];

    /// <summary>The number of the next transfer.</summary>
    public long Next { get; private set; }

    /// <summary>What a transfer's length must be, from its number; null where it is not checked.</summary>
    public Func<long, int>? Length { get; init; }

    /// <summary>Receives so many.</summary>
    public async Task ReceiveAsync(long count)
    {
        for (; count > 0; count--)
        {
            await ReceiveAsync();
        }
    }

    /// <summary>Receives one after the other until told to stop; the last one is received whole.</summary>
    public async Task ReceiveUntilAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await ReceiveAsync();
        }
    }

    /// <summary>Receives the next one.</summary>
    /// <returns>Its length.</returns>
    public async Task<int> ReceiveAsync()
    {
        BulkInResult result;
        try
        {
            result = await queue.RecvAsync(_buffer, CaseContext.Patience);
        }
        catch (BulkInException exception)
        {
            throw new CaseFailedException($"in place of transfer {Next} came the fault {exception.Error}: {exception.Message}");
        }

        CaseContext.Require(result.IsData, $"transfer {Next} did not arrive within {CaseContext.Patience.TotalSeconds:0} s ({result.Status}): {Situation(queue, rig)}");
        RequireNumber(_buffer.AsSpan(0, result.Length), Next, Length?.Invoke(Next));
        Next++;
        return result.Length;
    }

    /// <summary>Fails unless these bytes are the transfer of a number.</summary>
    /// <param name="bytes">What was received.</param>
    /// <param name="number">The number it should have.</param>
    /// <param name="length">The length it should have, or null for any.</param>
    public static void RequireNumber(ReadOnlySpan<byte> bytes, long number, int? length = null)
    {
        int difference = SequencedPayload.FirstDifference(bytes, number);
        long carried = SequencedPayload.Read(bytes);
        if (difference >= 0 && carried != number)
        {
            throw new CaseFailedException(carried switch
            {
                -1 => $"transfer {number} was to come, and {bytes.Length} bytes of something else did",
                _ when carried > number => $"transfer {carried} came where {number} was to come: the order is broken, or transfers were lost",
                _ => $"transfer {carried} came where {number} was to come: it came again, or the order is broken",
            });
        }

        CaseContext.Require(difference < 0, $"transfer {number} is damaged from byte {difference} of {bytes.Length} on");
        CaseContext.Require(length is null || length == bytes.Length, $"transfer {number} has {bytes.Length} bytes instead of {length}");
    }

    /// <summary>Where the transfers are, as the library and usbmon see it.</summary>
    public static string Situation(BulkInQueue queue, Rig? rig)
    {
        BulkInStatistics statistics = queue.Statistics;
        string library = $"the queue is {queue.State}, counts {statistics.Posted} posted and has delivered {statistics.Transfers}";
        if (rig is not { IsObserved: true })
        {
            return library;
        }

        Timeline timeline = rig.Observer.Snapshot();
        EndpointTimeline seen = timeline.Endpoint(rig.Device.Address, rig.In);
        IReadOnlyList<int> cleared = timeline.OutstandingAtClearHalt(rig.Device.Address, rig.In);
        return $"{library}; usbmon sees {seen.Outstanding} posted, of {seen.Submissions} submitted, and {seen.Completions.Count(completion => completion.Status == 0)} completed well; "
            + $"CLEAR_FEATURE(HALT) was sent {cleared.Count} times{(cleared.Count > 0 ? $", with {string.Join(", ", cleared)} outstanding" : "")}";
    }
}
