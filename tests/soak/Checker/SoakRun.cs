using System.Globalization;

namespace BulkIn.Soak;

/// <summary>A soak: reads from a source for a while, says how it goes, and judges.</summary>
internal sealed class SoakRun(IStreamSource source, SoakHabits habits, int seed)
{
    private readonly MessageVerifier _verifier = new(source.IsLostUnseen);
    private readonly FootprintTrend _trend = new();
    private long _reported;

    /// <summary>Runs until the time or the transfers are over, or a promise is broken.</summary>
    /// <param name="duration">How long at most.</param>
    /// <param name="transfers">How many transfers at most.</param>
    /// <param name="progress">Takes a line every few seconds.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <returns>The last line; the footprint's verdict is part of it.</returns>
    /// <exception cref="StreamViolationException">The library broke a promise.</exception>
    public async Task<string> RunAsync(TimeSpan duration, long transfers, Action<string> progress, CancellationToken cancellationToken)
    {
        // About forty looks, none more often than a second and none less than ten.
        TimeSpan interval = TimeSpan.FromSeconds(Math.Clamp(duration.TotalSeconds / 40, 1, 10));
        long start = TimeProvider.System.GetTimestamp();
        SoakReader reader = new(source, _verifier, habits, seed);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        stop.CancelAfter(duration);
        Task reading = Task.Run(() => reader.RunAsync(stop.Token), CancellationToken.None);
        using PeriodicTimer timer = new(TimeSpan.FromSeconds(1));
        long looked = start;
        while (!reading.IsCompleted)
        {
            await Task.WhenAny(reading, timer.WaitForNextTickAsync(CancellationToken.None).AsTask());
            if (TimeProvider.System.GetElapsedTime(looked) >= interval)
            {
                looked = TimeProvider.System.GetTimestamp();
                Footprint look = Footprint.Take();
                _trend.Add(look);
                progress(Describe(start, reader, look));
            }

            if (_verifier.Transfers >= transfers)
            {
                await stop.CancelAsync();
            }
        }

        string last = Describe(start, reader, Footprint.Take());
        try
        {
            await reading;
        }
        catch (Exception)
        {
            progress(last);
            throw;
        }

        if (!_trend.IsJudged)
        {
            return $"{last} (too short a run to judge the footprint)";
        }

        return _trend.Growth() is { } growth ? throw new StreamViolationException(growth) : $"{last} (flat)";
    }

    private string Describe(long start, SoakReader reader, Footprint footprint)
    {
        string line = string.Create(
            CultureInfo.InvariantCulture,
            $"{TimeProvider.System.GetElapsedTime(start):hh\\:mm\\:ss}  {_verifier.Transfers:N0} transfers (+{_verifier.Transfers - _reported:N0}), {_verifier.Messages:N0} messages, {reader.Faults:N0} faults, {_verifier.Gaps:N0} gaps covered ({_verifier.LostUnseen:N0} messages lost unseen), {reader.Openings:N0} openings, {reader.Unplugs:N0} unplugs; {footprint}");
        _reported = _verifier.Transfers;
        return line;
    }
}
