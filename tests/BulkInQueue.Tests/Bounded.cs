using System.Globalization;
using System.Runtime.CompilerServices;

namespace BulkIn;

/// <summary>Bounds every wait of a test, so that a hang fails with the name of what did not happen.</summary>
internal static class Bounded
{
    // Far above anything a healthy run needs, on a busy machine too. BULKIN_TEST_LIMIT=… seconds where hangs are to be found sooner: tests/mutation/run.
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(
        Environment.GetEnvironmentVariable("BULKIN_TEST_LIMIT") is { } asked ? double.Parse(asked, CultureInfo.InvariantCulture) : 30);

    public static Task<T> InTime<T>(this ValueTask<T> task, [CallerArgumentExpression(nameof(task))] string? what = null) => task.AsTask().InTime(what);

    public static Task InTime(this ValueTask task, [CallerArgumentExpression(nameof(task))] string? what = null) => task.AsTask().InTime(what);

    public static async Task<T> InTime<T>(this Task<T> task, [CallerArgumentExpression(nameof(task))] string? what = null)
    {
        await ((Task)task).InTime(what);
        return await task;
    }

    public static Task InTime(this Task task, [CallerArgumentExpression(nameof(task))] string? what = null) => task.InTime(Limit, what);

    public static async Task InTime(this Task task, TimeSpan limit, string? what)
    {
        try
        {
            await task.WaitAsync(limit);
        }
        catch (TimeoutException) when (!task.IsCompleted)
        {
            throw new TimeoutException($"'{what}' did not end within {limit.TotalSeconds} s: a hang.");
        }
    }
}
