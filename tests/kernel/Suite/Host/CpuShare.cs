using System.Diagnostics;

namespace BulkIn.Bench;

/// <summary>How much of a processor this process uses.</summary>
internal static class CpuShare
{
    /// <summary>What a queue in a fault state may use at most.</summary>
    public const double OfIdle = 0.05;

    private const int MostWindows = 10;

    /// <summary>
    /// Measures a steady state. An emulated processor that the host takes away goes on charging its time to whoever ran, so a measurement errs upwards only:
    /// the smallest of several is the best. One that is below <see cref="OfIdle"/> is enough, since a process that spins is above it in all of them.
    /// </summary>
    /// <param name="window">How long each takes.</param>
    /// <returns>1 is one whole processor.</returns>
    public static async Task<double> MeasureAsync(TimeSpan window)
    {
        double least = double.MaxValue;
        for (int count = 0; count < MostWindows && least >= OfIdle; count++)
        {
            TimeSpan before = Environment.CpuUsage.TotalTime;
            long start = Stopwatch.GetTimestamp();
            await Task.Delay(window);
            least = Math.Min(least, (Environment.CpuUsage.TotalTime - before) / Stopwatch.GetElapsedTime(start));
        }

        return least;
    }
}
