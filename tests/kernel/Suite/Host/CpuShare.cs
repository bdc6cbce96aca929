using System.Diagnostics;

namespace BulkIn.Bench;

/// <summary>How much of a processor this process uses.</summary>
internal static class CpuShare
{
    /// <summary>Measures for a while.</summary>
    /// <param name="time">How long.</param>
    /// <returns>1 is one whole processor.</returns>
    public static async Task<double> MeasureAsync(TimeSpan time)
    {
        TimeSpan before = Environment.CpuUsage.TotalTime;
        long start = Stopwatch.GetTimestamp();
        await Task.Delay(time);
        return (Environment.CpuUsage.TotalTime - before) / Stopwatch.GetElapsedTime(start);
    }
}
