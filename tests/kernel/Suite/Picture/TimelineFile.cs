using System.Globalization;
using System.Text;
using BulkIn.UsbMon;

namespace BulkIn.Bench;

/// <summary>What usbmon saw of a device, as a file: for the picture, and for whoever wants to look.</summary>
internal static class TimelineFile
{
    /// <summary>Writes a timeline into the results.</summary>
    /// <param name="context">Where.</param>
    /// <param name="name">The file's name, without its ending.</param>
    /// <param name="timeline">What was seen on the bus.</param>
    /// <param name="device">Whose events.</param>
    public static void Write(CaseContext context, string name, Timeline timeline, SysfsDevice device)
    {
        var text = new StringBuilder("microseconds\tkind\tid\tendpoint\tstatus\tlength\n");
        long first = 0;
        foreach (UsbMonEvent happened in timeline.Events.Where(happened => happened.Device == device.Address))
        {
            first = first == 0 ? happened.Microseconds : first;
            text.Append(CultureInfo.InvariantCulture, $"{happened.Microseconds - first}\t{happened.Kind}\t{happened.Id:x}\t0x{happened.Endpoint:x2}\t{happened.Status}\t{happened.Length}\n");
        }

        File.WriteAllText(Path.Combine(context.ResultsDirectory, $"{name}.tsv"), text.ToString());
    }
}
