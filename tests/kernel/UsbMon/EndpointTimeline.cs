namespace BulkIn.UsbMon;

/// <summary>What happened at one endpoint, in the order it happened, and what follows from it. Pure: it knows only the events it is given.</summary>
public sealed class EndpointTimeline
{
    private readonly List<UsbMonEvent> _events;
    private readonly List<DepthChange> _depths = [];

    /// <summary>Reads the events of an endpoint.</summary>
    /// <param name="events">Its submissions and completions, oldest first. Completions of URBs submitted before the first event are not counted.</param>
    public EndpointTimeline(IEnumerable<UsbMonEvent> events)
    {
        _events = [.. events];
        List<ulong> posted = [];
        foreach (UsbMonEvent happened in _events)
        {
            switch (happened.Kind)
            {
                case UsbMonKind.Submission:
                    posted.Add(happened.Id);
                    break;
                default:
                    int place = posted.IndexOf(happened.Id);
                    if (place < 0)
                    {
                        continue;
                    }

                    OutOfOrderCompletions += happened.Kind == UsbMonKind.Completion && place > 0 ? 1 : 0;
                    posted.RemoveAt(place);
                    break;
            }

            _depths.Add(new DepthChange(happened.Microseconds, posted.Count));
        }

        Outstanding = posted.Count;
    }

    /// <summary>Every event, oldest first.</summary>
    public IReadOnlyList<UsbMonEvent> Events => _events;

    /// <summary>The posted depth after each event.</summary>
    public IReadOnlyList<DepthChange> Depths => _depths;

    /// <summary>URBs that were submitted and have not come back.</summary>
    public int Outstanding { get; }

    /// <summary>Completions that came before that of a URB submitted earlier.</summary>
    public int OutOfOrderCompletions { get; }

    /// <summary>Submissions.</summary>
    public int Submissions => _events.Count(happened => happened.Kind == UsbMonKind.Submission);

    /// <summary>Completions.</summary>
    public IEnumerable<UsbMonEvent> Completions => _events.Where(happened => happened.Kind == UsbMonKind.Completion);

    /// <summary>The posted depth at a moment: after the last event at or before it.</summary>
    /// <param name="microseconds">The moment, in the events' time.</param>
    public int DepthAt(long microseconds)
    {
        int depth = 0;
        foreach (DepthChange change in _depths)
        {
            if (change.Microseconds > microseconds)
            {
                break;
            }

            depth = change.Depth;
        }

        return depth;
    }

    /// <summary>How long each depth lasted.</summary>
    /// <param name="windows">The time looked at. A gap that a window's border cuts counts as far as it lies inside.</param>
    public DepthProfile Profile(params IEnumerable<TimeWindow> windows)
    {
        SortedDictionary<int, long> times = [];
        List<long> gaps = [];
        foreach (TimeWindow window in windows)
        {
            Measure(window, times, gaps);
        }

        return new DepthProfile(times, gaps);
    }

    private void Measure(TimeWindow window, SortedDictionary<int, long> times, List<long> gaps)
    {
        long time = window.From;
        int depth = DepthAt(time);
        long emptySince = depth == 0 ? time : -1;
        foreach (DepthChange change in _depths.Where(change => change.Microseconds > window.From && change.Microseconds <= window.To))
        {
            times[depth] = times.GetValueOrDefault(depth) + change.Microseconds - time;
            time = change.Microseconds;
            depth = change.Depth;
            if (depth == 0 && emptySince < 0)
            {
                emptySince = time;
            }
            else if (depth > 0 && emptySince >= 0)
            {
                gaps.Add(time - emptySince);
                emptySince = -1;
            }
        }

        times[depth] = times.GetValueOrDefault(depth) + window.To - time;
        if (emptySince >= 0)
        {
            gaps.Add(window.To - emptySince);
        }
    }
}

/// <summary>The posted depth from a moment on.</summary>
/// <param name="Microseconds">The moment.</param>
/// <param name="Depth">URBs posted.</param>
public readonly record struct DepthChange(long Microseconds, int Depth);
