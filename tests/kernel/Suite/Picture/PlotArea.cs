using System.Globalization;
using System.Text;

namespace BulkIn.Bench;

/// <summary>A rectangle of a drawing in which values are drawn over time.</summary>
/// <param name="Left">Its left edge.</param>
/// <param name="Top">Its upper edge.</param>
/// <param name="Width">Its width.</param>
/// <param name="End">The time at its right edge; the left one is 0.</param>
internal sealed record PlotArea(int Left, int Top, int Width, long End)
{
    /// <summary>The height of each.</summary>
    public const int Height = 150;

    public int Right => Left + Width;

    public int Bottom => Top + Height;

    public int X(long time) => Left + (int)(Width * time / Math.Max(1, End));

    public int Y(int value, int maximum) => Bottom - (Math.Min(value, maximum) * Height / maximum);

    /// <summary>A line in steps, from 0 on; steps that fall into the same column of the drawing are drawn as their range.</summary>
    /// <param name="points">The values, each from its time on.</param>
    /// <param name="end">Where the line ends.</param>
    /// <param name="maximum">The value at the upper edge.</param>
    public string Steps(IReadOnlyList<(long Time, int Value)> points, long end, int maximum)
    {
        var path = new StringBuilder();
        CultureInfo culture = CultureInfo.InvariantCulture;
        path.Append(culture, $"M{Left} {Bottom}");
        int index = 0, value = 0;
        while (index < points.Count)
        {
            int x = X(points[index].Time);
            int low = value, high = value;
            for (; index < points.Count && X(points[index].Time) == x; index++)
            {
                value = points[index].Value;
                low = Math.Min(low, value);
                high = Math.Max(high, value);
            }

            path.Append(culture, $"H{x}");
            foreach (int step in new[] { high, low, value }.Distinct())
            {
                path.Append(culture, $"V{Y(step, maximum)}");
            }
        }

        return path.Append(culture, $"H{X(end)}").ToString();
    }
}
