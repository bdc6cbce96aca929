using System.Globalization;
using System.Text;
using BulkIn.UsbMon;

namespace BulkIn.Bench;

/// <summary>The deadlock case as a drawing: for both ways of reading, how many commands got through and how many transfers were posted, over time.</summary>
internal static class DeadlockPicture
{
    private const int Width = 760;
    private const int PanelHeight = 150;
    private const int Left = 56;
    private const int Right = 56;
    private const int Top = 44;
    private const int Between = 58;
    private const int PlotWidth = Width - Left - Right;

    private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

    /// <summary>Draws.</summary>
    /// <param name="oneAtATime">The timeline of the host that reads one transfer at a time.</param>
    /// <param name="queue">The timeline of the host with a queue.</param>
    /// <param name="depth">The queue's depth.</param>
    public static string Draw(Timeline oneAtATime, Timeline queue, int depth)
    {
        ArgumentNullException.ThrowIfNull(oneAtATime);
        ArgumentNullException.ThrowIfNull(queue);
        Panel[] panels =
        [
            Panel.Read("One transfer at a time", oneAtATime),
            Panel.Read($"A queue of depth {depth}, read beside the sender", queue),
        ];
        long end = panels.Max(panel => panel.End);
        int height = Top + (panels.Length * PanelHeight) + ((panels.Length - 1) * Between) + 46;
        var svg = new StringBuilder();
        svg.Append(Culture, $"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {height}" width="{Width}" height="{height}" role="img" aria-labelledby="title">
            <title id="title">{panels[0].Summary} one at a time, {panels[1].Summary} with a queue</title>
            <style>
            text {"{"} font: 13px system-ui, sans-serif; fill: #24292f {"}"}
            .name {"{"} font-weight: 600 {"}"} .axis {"{"} stroke: #8c959f; fill: none {"}"}
            .outs {"{"} stroke: #0969da; stroke-width: 2; fill: none {"}"} .outs-text {"{"} fill: #0969da {"}"}
            .depth {"{"} stroke: #bc4c00; fill: #bc4c00; fill-opacity: .25; stroke-opacity: .8; stroke-width: 1 {"}"} .depth-text {"{"} fill: #bc4c00 {"}"}
            @media (prefers-color-scheme: dark) {"{"} text {"{"} fill: #e6edf3 {"}"} .outs {"{"} stroke: #58a6ff {"}"} .outs-text {"{"} fill: #58a6ff {"}"} .depth {"{"} stroke: #f0883e; fill: #f0883e {"}"} .depth-text {"{"} fill: #f0883e {"}"} {"}"}
            </style>

            """);
        for (int index = 0; index < panels.Length; index++)
        {
            Append(svg, panels[index], Top + (index * (PanelHeight + Between)), end, depth);
        }

        int bottom = height - 30;
        for (int tick = 0; tick <= 4; tick++)
        {
            svg.Append(Culture, $"<text x=\"{Left + (PlotWidth * tick / 4)}\" y=\"{bottom}\" text-anchor=\"middle\">{end * tick / 4 / 1e6:0.0} s</text>\n");
        }

        svg.Append(Culture, $"<text x=\"{Left}\" y=\"{height - 8}\">As usbmon saw it. A single-threaded device answers each OUT with two 6000-byte replies.</text>\n</svg>\n");
        return svg.ToString();
    }

    private static void Append(StringBuilder svg, Panel panel, int top, long end, int depth)
    {
        int bottom = top + PanelHeight;
        svg.Append(Culture, $"<text class=\"name\" x=\"{Left}\" y=\"{top - 12}\">{panel.Name}: {panel.Summary}</text>\n");
        svg.Append(Culture, $"<path class=\"depth\" d=\"{Steps(panel.Depths, end, depth, top, close: true)}\"/>\n");
        svg.Append(Culture, $"<path class=\"outs\" d=\"{Steps(panel.Outs, end, DeadlockCases.Commands, top, close: false)}\"/>\n");
        svg.Append(Culture, $"<path class=\"axis\" d=\"M{Left} {top}V{bottom}H{Left + PlotWidth}V{top}\"/>\n");
        svg.Append(Culture, $"<text class=\"outs-text\" x=\"{Left - 6}\" y=\"{top + 10}\" text-anchor=\"end\">{DeadlockCases.Commands}</text><text class=\"outs-text\" x=\"{Left - 6}\" y=\"{bottom}\" text-anchor=\"end\">OUTs</text>\n");
        svg.Append(Culture, $"<text class=\"depth-text\" x=\"{Left + PlotWidth + 6}\" y=\"{top + 10}\">{depth}</text><text class=\"depth-text\" x=\"{Left + PlotWidth + 6}\" y=\"{bottom}\">posted</text>\n");
    }

    // A step line; steps that fall into the same pixel column are drawn as their range.
    private static string Steps(IReadOnlyList<(long Time, int Value)> points, long end, int maximum, int top, bool close)
    {
        var path = new StringBuilder();
        int bottom = top + PanelHeight;
        path.Append(Culture, $"M{Left} {bottom}");
        int index = 0;
        int value = 0;
        while (index < points.Count)
        {
            int x = X(points[index].Time, end);
            int low = value, high = value;
            for (; index < points.Count && X(points[index].Time, end) == x; index++)
            {
                value = points[index].Value;
                low = Math.Min(low, value);
                high = Math.Max(high, value);
            }

            path.Append(Culture, $"H{x}V{Y(high, maximum, top)}V{Y(low, maximum, top)}V{Y(value, maximum, top)}");
        }

        path.Append(Culture, $"H{X(end, end)}");
        if (close)
        {
            path.Append(Culture, $"V{bottom}Z");
        }

        return path.ToString();
    }

    private static int X(long time, long end) => Left + (int)(PlotWidth * time / Math.Max(1, end));

    private static int Y(int value, int maximum, int top) => top + PanelHeight - (Math.Min(value, maximum) * PanelHeight / maximum);

    private sealed record Panel(string Name, string Summary, long End, IReadOnlyList<(long Time, int Value)> Outs, IReadOnlyList<(long Time, int Value)> Depths)
    {
        public static Panel Read(string name, Timeline timeline)
        {
            List<UsbMonEvent> bulk = [.. timeline.Events.Where(happened => happened.TransferKind == UsbTransferKind.Bulk)];
            long start = bulk[0].Microseconds;
            EndpointTimeline replies = new(bulk.Where(happened => (happened.Endpoint & 0x80) != 0));
            List<(long, int)> outs = [];
            foreach (UsbMonEvent completion in bulk.Where(happened => happened is { Kind: UsbMonKind.Completion, Status: 0 } && (happened.Endpoint & 0x80) == 0))
            {
                outs.Add((completion.Microseconds - start, outs.Count + 1));
            }

            return new Panel(
                name,
                $"{outs.Count} of {DeadlockCases.Commands} OUTs{(outs.Count < DeadlockCases.Commands ? ", then each waits for the other" : "")}",
                bulk[^1].Microseconds - start,
                outs,
                [.. replies.Depths.Select(change => (change.Microseconds - start, change.Depth))]);
        }
    }
}
