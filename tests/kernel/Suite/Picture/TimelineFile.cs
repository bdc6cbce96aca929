using System.Globalization;
using System.Text;
using BulkIn.UsbMon;

namespace BulkIn.Bench;

/// <summary>What usbmon saw of a device, as a file in the results: for the picture, and for whoever wants to look.</summary>
internal static class TimelineFile
{
    private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

    /// <summary>Writes a timeline into the results.</summary>
    /// <param name="context">Where.</param>
    /// <param name="name">The file's name, without its ending.</param>
    /// <param name="timeline">What was seen on the bus.</param>
    /// <param name="device">Whose events.</param>
    public static void Write(CaseContext context, string name, Timeline timeline, SysfsDevice device)
    {
        var text = new StringBuilder("microseconds\tevent\turb\ttransfer\tendpoint\tstatus\tlength\n");
        long first = -1;
        foreach (UsbMonEvent happened in timeline.Events.Where(happened => happened.Device == device.Address))
        {
            first = first < 0 ? happened.Microseconds : first;
            text.Append(
                Culture,
                $"{happened.Microseconds - first}\t{happened.Kind}\t{happened.Id:x}\t{happened.TransferKind}\t{happened.Endpoint:x2}\t{happened.Status}\t{happened.Length}\n");
        }

        File.WriteAllText(Path(context.ResultsDirectory, name), text.ToString());
    }

    /// <summary>Reads a timeline back.</summary>
    /// <param name="resultsDirectory">Where.</param>
    /// <param name="name">The file's name, without its ending.</param>
    /// <exception cref="FileNotFoundException">The case that writes it has not run.</exception>
    public static Timeline Read(string resultsDirectory, string name)
    {
        List<UsbMonEvent> events = [];
        foreach (string line in File.ReadLines(Path(resultsDirectory, name)).Skip(1))
        {
            string[] fields = line.Split('\t');
            events.Add(new UsbMonEvent(
                Enum.Parse<UsbMonKind>(fields[1]),
                ulong.Parse(fields[2], NumberStyles.AllowHexSpecifier, Culture),
                Enum.Parse<UsbTransferKind>(fields[3]),
                byte.Parse(fields[4], NumberStyles.AllowHexSpecifier, Culture),
                Device: 0,
                Bus: 0,
                long.Parse(fields[0], Culture),
                int.Parse(fields[5], Culture),
                int.Parse(fields[6], Culture),
                Setup: 0));
        }

        return new Timeline(events);
    }

    private static string Path(string directory, string name) => System.IO.Path.Combine(directory, $"{name}.tsv");
}
