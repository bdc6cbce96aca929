using System.Globalization;
using System.Text;

namespace BulkIn.Bench.Perf;

/// <summary>The ratios as a picture: a panel for each kind of memory and each figure, a column for each depth, a mark with its range for each size.</summary>
internal static class RatioPicture
{
    private const int PanelWidth = 620;
    private const int PanelHeight = 240;
    private const int Left = 60;
    private const int Top = 50;
    private const int Gap = 70;
    private const double Highest = 2.0;

    private static readonly string[] Colors = ["#0b7285", "#5f3dc4", "#d9480f", "#2b8a3e"];

    public static string Draw(IReadOnlyList<CellResult> cells)
    {
        string[] memories = [.. cells.Select(cell => cell.Shape.Memory).Distinct(StringComparer.Ordinal)];
        int[] lengths = [.. cells.Select(cell => cell.Shape.Length).Distinct()];
        int width = Left + (memories.Length * (PanelWidth + Gap));
        int height = Top + (2 * (PanelHeight + Gap));
        StringBuilder svg = new();
        svg.Append(CultureInfo.InvariantCulture, $"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">
            <rect width="{width}" height="{height}" fill="#ffffff"/>
            <text x="{Left}" y="20" font-size="15">BulkInQueue beside C (copy out and re-submit in the callback), by depth; filled: RecvAsync, open: Recv</text>

            """);
        for (int index = 0; index < lengths.Length; index++)
        {
            svg.Append(CultureInfo.InvariantCulture, $"""
                <circle cx="{Left + 10 + (index * 90)}" cy="35" r="5" fill="{Colors[index % Colors.Length]}"/><text x="{Left + 20 + (index * 90)}" y="39">{lengths[index] / 1024} KiB</text>

                """);
        }

        for (int column = 0; column < memories.Length; column++)
        {
            CellResult[] shown = [.. cells.Where(cell => cell.Shape.Memory == memories[column])];
            int x = Left + (column * (PanelWidth + Gap));
            DrawPanel(svg, $"throughput / C's, {memories[column]} memory (goal: at least 0.95 from depth 4)", x, Top, shown, lengths, cell => cell.Throughput, 0.95);
            DrawPanel(svg, $"CPU per transfer / C's, {memories[column]} memory (goal: at most 1.25 from depth 8)", x, Top + PanelHeight + Gap, shown, lengths, cell => cell.Cpu, 1.25);
        }

        return svg.Append("</svg>\n").ToString();
    }

    private static void DrawPanel(
        StringBuilder svg, string title, int x, int top, IReadOnlyList<CellResult> cells, int[] lengths, Func<CellResult, Spread> figure, double goal)
    {
        double Y(double ratio) => top + 20 + (PanelHeight - 20) * (1 - (Math.Min(ratio, Highest) / Highest));
        svg.Append(CultureInfo.InvariantCulture, $"""<text x="{x}" y="{top + 12}">{title}</text>""").Append('\n');
        for (int step = 0; step <= 4; step++)
        {
            double ratio = step * Highest / 4;
            svg.Append(CultureInfo.InvariantCulture, $"""
                <line x1="{x}" x2="{x + PanelWidth}" y1="{Y(ratio):0.0}" y2="{Y(ratio):0.0}" stroke="{(step == 2 ? "#495057" : "#dee2e6")}"/><text x="{x - 6}" y="{Y(ratio) + 4:0.0}" text-anchor="end">{ratio:0.0}</text>

                """);
        }

        svg.Append(CultureInfo.InvariantCulture, $"""<line x1="{x}" x2="{x + PanelWidth}" y1="{Y(goal):0.0}" y2="{Y(goal):0.0}" stroke="#c92a2a" stroke-dasharray="6 4"/>""").Append('\n');
        int[] depths = [.. cells.Select(cell => cell.Shape.Depth).Distinct()];
        double columnWidth = (double)PanelWidth / depths.Length;
        foreach (CellResult cell in cells)
        {
            int place = (Array.IndexOf(lengths, cell.Shape.Length) * 2) + (cell.Shape.Way == Way.Recv ? 1 : 0);
            double at = x + (Array.IndexOf(depths, cell.Shape.Depth) * columnWidth) + (columnWidth * (place + 1) / ((lengths.Length * 2) + 1));
            string color = Colors[Array.IndexOf(lengths, cell.Shape.Length) % Colors.Length];
            Spread spread = figure(cell);
            svg.Append(CultureInfo.InvariantCulture, $"""
                <line x1="{at:0.0}" x2="{at:0.0}" y1="{Y(spread.Least):0.0}" y2="{Y(spread.Most):0.0}" stroke="{color}"/><circle cx="{at:0.0}" cy="{Y(spread.Median):0.0}" r="4" stroke="{color}" fill="{(cell.Shape.Way == Way.Recv ? "#ffffff" : color)}"><title>depth {cell.Shape.Depth}, {cell.Shape.Length / 1024} KiB, {cell.Shape.Way}: {spread.Median:0.00} ({spread.Least:0.00}-{spread.Most:0.00})</title></circle>

                """);
        }

        for (int index = 0; index < depths.Length; index++)
        {
            svg.Append(CultureInfo.InvariantCulture, $"""
                <text x="{x + ((index + 0.5) * columnWidth):0.0}" y="{top + PanelHeight + 16}" text-anchor="middle">depth {depths[index]}</text>

                """);
        }
    }
}
