using System.Globalization;
using System.Text;
using BulkIn.UsbMon;

namespace BulkIn.Bench;

/// <summary>The deadlock case as a drawing: for both ways of reading, how many commands got through and how many transfers were posted, over time.</summary>
internal static class DeadlockPicture
{
    private const int Width = 760;
    private const int Left = 72;
    private const int Right = 72;
    private const int Top = 48;
    private const int Between = 56;
    private const int Below = 66;

    // The drawing brings its own paper: it is shown on pages whose colour need not be the one the reader's system prefers.
    private const string Style = """
        <style>
        text { font: 13px system-ui, sans-serif; fill: #24292f }
        .paper { fill: #ffffff; stroke: #d0d7de }
        .name { font-weight: 600 }
        .axis { stroke: #8c959f; fill: none }
        .grid { stroke: #8c959f; stroke-opacity: .35; fill: none }
        .outs { stroke: #0969da; stroke-width: 2; fill: none }
        .outs-text { fill: #0969da }
        .depth { stroke: none; fill: #bc4c00; fill-opacity: .3 }
        .depth-text { fill: #bc4c00 }
        @media (prefers-color-scheme: dark) {
        text { fill: #e6edf3 }
        .paper { fill: #0d1117; stroke: #30363d }
        .outs { stroke: #58a6ff }
        .outs-text { fill: #58a6ff }
        .depth { fill: #f0883e; fill-opacity: .45 }
        .depth-text { fill: #f0883e }
        }
        </style>

        """;

    private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

    /// <summary>Draws.</summary>
    /// <param name="oneAtATime">The timeline of the host that reads one transfer at a time.</param>
    /// <param name="queue">The timeline of the host with a queue.</param>
    /// <param name="depth">The queue's depth.</param>
    public static string Draw(Timeline oneAtATime, Timeline queue, int depth)
    {
        ArgumentNullException.ThrowIfNull(oneAtATime);
        ArgumentNullException.ThrowIfNull(queue);
        DeadlockRun[] runs = [DeadlockRun.Read("One transfer at a time", oneAtATime), DeadlockRun.Read($"A queue of depth {depth}, read beside the sender", queue)];
        int bottom = Top + (2 * PlotArea.Height) + Between;
        int height = bottom + Below;
        var svg = new StringBuilder();
        svg.Append(Culture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {height}\" width=\"{Width}\" height=\"{height}\" role=\"img\" aria-labelledby=\"title\">\n");
        svg.Append(Culture, $"<title id=\"title\">One transfer at a time: {runs[0].Summary}. With a queue: {runs[1].Summary}.</title>\n{Style}");
        svg.Append(Culture, $"<rect class=\"paper\" x=\".5\" y=\".5\" width=\"{Width - 1}\" height=\"{height - 1}\" rx=\"6\"/>\n");
        long end = runs.Max(run => run.End);
        for (int index = 0; index < runs.Length; index++)
        {
            Append(svg, runs[index], new PlotArea(Left, Top + (index * (PlotArea.Height + Between)), Width - Left - Right, end), depth);
        }

        svg.Append(Culture, $"<text x=\"{Width / 2}\" y=\"{bottom + 38}\" text-anchor=\"middle\">seconds, as usbmon saw it; a single-threaded device answers each OUT with two replies of 6000 bytes</text>\n</svg>\n");
        return svg.ToString();
    }

    private static void Append(StringBuilder svg, DeadlockRun run, PlotArea area, int depth)
    {
        svg.Append(Culture, $"<text class=\"name\" x=\"{area.Left}\" y=\"{area.Top - 12}\">{run.Name}: {run.Summary}</text>\n");
        for (long tick = 0; tick <= area.End; tick += TickStep(area.End))
        {
            int x = area.X(tick);
            svg.Append(Culture, $"<path class=\"grid\" d=\"M{x} {area.Top}V{area.Bottom + 5}\"/><text x=\"{x}\" y=\"{area.Bottom + 19}\" text-anchor=\"middle\">{tick / 1e6:0.##}</text>\n");
        }

        for (int half = 0; half <= 2; half++)
        {
            int y = area.Y(half, 2);
            svg.Append(Culture, $"<path class=\"grid\" d=\"M{area.Left} {y}H{area.Right}\"/>");
            svg.Append(Culture, $"<text class=\"outs-text\" x=\"{area.Left - 8}\" y=\"{y + 4}\" text-anchor=\"end\">{DeadlockCases.Commands * half / 2}</text>");
            svg.Append(Culture, $"<text class=\"depth-text\" x=\"{area.Right + 8}\" y=\"{y + 4}\">{depth * half / 2}</text>\n");
        }

        svg.Append(Culture, $"<path class=\"depth\" d=\"{area.Steps(run.Depths, run.End, depth)}V{area.Bottom}Z\"/>\n");
        svg.Append(Culture, $"<path class=\"outs\" d=\"{area.Steps(run.Outs, run.End, DeadlockCases.Commands)}\"/>\n");
        svg.Append(Culture, $"<path class=\"axis\" d=\"M{area.Left} {area.Top}V{area.Bottom}H{area.Right}V{area.Top}\"/>\n");
        AppendAxisTitle(svg, "outs-text", "OUTs completed", area.Left - 44, area);
        AppendAxisTitle(svg, "depth-text", "INs posted", area.Right + 44, area);
        if (!run.IsComplete)
        {
            svg.Append(Culture, $"<text x=\"{area.Left + ((area.Right - area.Left) / 2)}\" y=\"{area.Y(1, 2) - 8}\" text-anchor=\"middle\">the host waits in its next OUT, the device for an IN to be posted</text>\n");
        }
    }

    private static void AppendAxisTitle(StringBuilder svg, string style, string title, int x, PlotArea area)
    {
        int y = area.Y(1, 2);
        svg.Append(Culture, $"<text class=\"{style}\" transform=\"translate({x} {y}) rotate(-90)\" dy=\"4\" text-anchor=\"middle\">{title}</text>\n");
    }

    // At most ten ticks, at round times.
    private static long TickStep(long end)
    {
        const int Most = 10;
        const long Smallest = 10_000;
        for (long decade = Smallest; ; decade *= 10)
        {
            foreach (int factor in new[] { 1, 2, 5 })
            {
                if (end / (factor * decade) < Most)
                {
                    return factor * decade;
                }
            }
        }
    }
}
