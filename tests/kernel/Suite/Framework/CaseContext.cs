using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace BulkIn.Bench;

/// <summary>What a running case may ask for, and where it says what it found.</summary>
internal sealed class CaseContext(BusSpeed speed, bool full, TimeSpan? duration, string resultsDirectory)
{
    /// <summary>What a line of progress begins with on its way to the runner.</summary>
    public const string ProgressMark = "... ";

    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(5);

    /// <summary>The bus speed of this run.</summary>
    public BusSpeed Speed => speed;

    /// <summary>True when every case runs at its full size.</summary>
    public bool IsFull => full;

    /// <summary>How long a case that runs for a while runs, or null when nobody said.</summary>
    public TimeSpan? Duration => duration;

    /// <summary>The largest packet of a bulk endpoint at <see cref="Speed"/>.</summary>
    public int PacketSize => Speed == BusSpeed.Super ? 1024 : 512;

    /// <summary>Where files for the host go.</summary>
    public string ResultsDirectory => resultsDirectory;

    /// <summary>How long anything that should take milliseconds may take under emulation, on a machine with other work to do.</summary>
    public static TimeSpan Patience => TimeSpan.FromSeconds(30);

    /// <summary>A size: the full one, or a smaller one that keeps the default run short.</summary>
    /// <param name="fullSize">With <c>--full</c>.</param>
    /// <param name="quickSize">Otherwise.</param>
    public int Size(int fullSize, int quickSize) => IsFull ? fullSize : quickSize;

    /// <summary>Reports a figure; it is printed on the case's line.</summary>
    /// <param name="text">What was found, with its unit.</param>
    public static void Figure(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        Console.WriteLine(text);
    }

    /// <summary>Says how a long case is getting on; it is printed at once, and not kept.</summary>
    /// <param name="text">One line.</param>
    public static void Progress(string text) => Figure(ProgressMark + text);

    /// <summary>Fails the case unless a condition holds.</summary>
    /// <param name="condition">The condition.</param>
    /// <param name="message">Which promise is broken, and the figures.</param>
    public static void Require([DoesNotReturnIf(false)] bool condition, string message)
    {
        if (!condition)
        {
            throw new CaseFailedException(message);
        }
    }

    /// <inheritdoc cref="Require(bool, string)"/>
    public static void Require([DoesNotReturnIf(false)] bool condition, [InterpolatedStringHandlerArgument(nameof(condition))] ref FailureMessage message)
    {
        if (!condition)
        {
            throw new CaseFailedException(message.Build());
        }
    }

    /// <summary>Waits for a state that nothing announces, such as a counter or a file of sysfs.</summary>
    /// <param name="condition">The state.</param>
    /// <param name="what">The state in words, for the failure's message.</param>
    /// <param name="found">What is the case instead, for the failure's message.</param>
    public static async Task Until(Func<bool> condition, string what, Func<string>? found = null)
    {
        ArgumentNullException.ThrowIfNull(condition);
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (Stopwatch.GetElapsedTime(start) > Patience)
            {
                throw new CaseFailedException($"not within {Patience.TotalSeconds:0} s: {what}{(found is null ? "" : $"; {found()}")}");
            }

            await Task.Delay(PollInterval);
        }
    }

    /// <summary>Does nothing for at least so long; a timer alone may be early.</summary>
    /// <param name="time">How long, by the clock that statistics use.</param>
    public static async Task StayAwayAsync(TimeSpan time)
    {
        long start = Stopwatch.GetTimestamp();
        for (TimeSpan left = time; left > TimeSpan.Zero; left = time - Stopwatch.GetElapsedTime(start))
        {
            await Task.Delay(left + TimeSpan.FromMilliseconds(1));
        }
    }

    /// <summary>Waits for a task, within the usual patience.</summary>
    /// <param name="task">The task.</param>
    /// <param name="what">What it does, for the failure's message.</param>
    public static async Task Within(Task task, string what)
    {
        ArgumentNullException.ThrowIfNull(task);
        Require(await Task.WhenAny(task, Task.Delay(Patience)) == task, $"not within {Patience.TotalSeconds:0} s: {what}");
        await task;
    }
}
