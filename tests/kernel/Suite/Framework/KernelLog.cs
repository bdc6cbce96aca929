using System.Text;

namespace BulkIn.Bench;

/// <summary>The kernel's log from the moment this is created.</summary>
internal sealed class KernelLog
{
    // What a correct user of usbfs never provokes, and what no user may.
    private static readonly string[] Trouble =
    [
        "did not claim interface", "for active endpoint", "WARNING:", "BUG:", "Oops", "general protection", "refcount_t", "blocked for more than",
    ];

    private readonly long _start;

    public KernelLog() => _start = Lines().LastOrDefault().Sequence;

    /// <summary>The first line that tells of trouble, or null.</summary>
    /// <param name="expected">Pieces that are provoked on purpose.</param>
    public string? FirstTrouble(IReadOnlyList<string> expected) =>
        Lines()
            .Where(line => line.Sequence > _start)
            .Select(line => line.Text)
            .FirstOrDefault(text => Array.Exists(Trouble, piece => text.Contains(piece, StringComparison.Ordinal))
                && !expected.Any(piece => text.Contains(piece, StringComparison.Ordinal)));

    // "6,1234,5678901,-;text": priority, number, microseconds, flags. One read gives one line; there is no end of file, hence the end by EAGAIN.
    private static List<(long Sequence, string Text)> Lines()
    {
        List<(long, string)> lines = [];
        byte[] buffer = new byte[8192];
        using Microsoft.Win32.SafeHandles.SafeFileHandle file = NativeFile.OpenNonBlocking("/dev/kmsg");
        while (NativeFile.TryRead(file, buffer, out int length))
        {
            string line = Encoding.UTF8.GetString(buffer, 0, length);
            string[] parts = line.Split(';', 2);
            if (parts.Length == 2 && parts[0].Split(',') is [_, string number, ..] && long.TryParse(number, out long sequence))
            {
                lines.Add((sequence, parts[1].Split('\n')[0]));
            }
        }

        return lines;
    }
}
