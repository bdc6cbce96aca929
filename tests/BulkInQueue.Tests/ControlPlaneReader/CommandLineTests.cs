using System.Text.Json;
using BulkIn.Testing;
using Xunit;

namespace ControlPlaneReader;

public sealed class CommandLineTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("controlplane").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task Run_WithoutOptions_StallsWithOneTransferAndNotWithTheQueue()
    {
        (int status, string output, string errors) = await RunAsync();

        Assert.Equal((0, ""), (status, errors));
        Assert.Contains("STALLED", output, StringComparison.Ordinal);
        Assert.Contains("100 of 100", output, StringComparison.Ordinal);
        Assert.Contains("is NAKed: reply FIFO full", output, StringComparison.Ordinal);
        Assert.Contains("depth 8", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(8)]
    [InlineData(4096)]
    public async Task Run_WithoutOptionsAtAnyDepth_GetsEverythingThrough(int depth)
    {
        (int status, string output, _) = await RunAsync("--json", "--depth", $"{depth}", "--buffer", "1024");

        Assert.Equal(0, status);
        using JsonDocument comparison = JsonDocument.Parse(output);
        JsonElement single = comparison.RootElement.GetProperty("oneTransferAtATime");
        JsonElement queue = comparison.RootElement.GetProperty("queue");
        Assert.InRange(single.GetProperty("outs").GetInt64(), 1, 10);
        Assert.Contains("no IN transfer posted", single.GetProperty("stalledBy").GetString(), StringComparison.Ordinal);
        Assert.Equal((100, 200), (queue.GetProperty("outs").GetInt64(), queue.GetProperty("replies").GetInt64()));
        Assert.Equal(depth, queue.GetProperty("postedMost").GetInt32());
        Assert.Equal(Math.Max(0, depth - 2), queue.GetProperty("postedLeast").GetInt32());
    }

    [Fact]
    public async Task Run_Capture_AccountsForEveryTransfer()
    {
        var builder = new CaptureBuilder();
        builder.Transfer(1, Frame(64, 0x25), time: 0.5).Transfer(2, [], -2).Transfer(3, Frame(48, 0x45)).Transfer(4, [1, 2, 3])
            .Transfer(5, [], -32).Transfer(6, Frame(32, 0x45)).Transfer(7, []).Transfer(8, [], -108);

        (int status, string output, string errors) = await RunAsync("--capture", Write(builder));

        Assert.Equal((0, ""), (status, errors));
        Assert.Contains("3 (144 bytes): 1 of 4/0x25, 2 of 4/0x45", output, StringComparison.Ordinal);
        Assert.Contains(" 5 with data, or zero-length", output, StringComparison.Ordinal);
        Assert.Contains(" 3 whole frames", output, StringComparison.Ordinal);
        Assert.Contains(" 1 with bytes that are no frame", output, StringComparison.Ordinal);
        Assert.Contains(" 1 zero-length", output, StringComparison.Ordinal);
        Assert.Contains("1 cancelled by the capturing host", output, StringComparison.Ordinal);
        Assert.Contains("1 ended by the unplug", output, StringComparison.Ordinal);
        Assert.Contains("1 failed (stall", output, StringComparison.Ordinal);
        Assert.Contains("3 bytes are shorter than a header", output, StringComparison.Ordinal);
        Assert.Contains("0000  01 02 03", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_CaptureAsJson_IsOneObjectPerLine()
    {
        var builder = new CaptureBuilder { Snap = 48 + 40 };
        builder.Transfer(1, Frame(64, 0x25)).Transfer(2, Frame(20, 0x45)).Transfer(3, [9]).Transfer(4, [], -71).Transfer(5, Frame(16, 0x45));

        (int status, string output, _) = await RunAsync("--capture", Write(builder), "--json");

        Assert.Equal(0, status);
        JsonElement[] lines = [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => JsonSerializer.Deserialize<JsonElement>(line))];
        Assert.Equal(["frame", "frame", "malformed", "fault", "frame", "summary"], lines.Select(static line => line.GetProperty("event").GetString()));
        Assert.Equal(64, lines[0].GetProperty("size").GetInt32());
        Assert.Equal(80, lines[0].GetProperty("hex").GetString()!.Length);
        Assert.Equal(24, lines[^1].GetProperty("missingBytes").GetInt64());
        Assert.Equal("RecordingEnded", lines[^1].GetProperty("end").GetString());
        JsonElement recorded = lines[^1].GetProperty("recorded");
        Assert.Equal((5, 4, 1), (recorded.GetProperty("completions").GetInt64(), recorded.GetProperty("delivered").GetInt64(), recorded.GetProperty("faults").GetInt64()));
    }

    [Fact]
    public async Task Run_CaptureWithAFrameOverTransfers_PutsItTogether()
    {
        byte[] block = Frame(5800, 0x25);
        var builder = new CaptureBuilder();
        builder.Submit(1).Submit(2).Complete(1, block.AsSpan(0, 4096)).Complete(2, block.AsSpan(4096));

        (int status, string output, _) = await RunAsync("--capture", Write(builder));

        Assert.Equal(0, status);
        Assert.Contains("1 (5800 bytes)", output, StringComparison.Ordinal);
        Assert.Contains(" 2 whole frames", output, StringComparison.Ordinal);
        Assert.Contains(" 0 with bytes that are no frame", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_CaptureWithTwoDevices_NotesTheChoice()
    {
        var builder = new CaptureBuilder();
        builder.Transfer(1, Frame(16, 0x25));
        builder.Device = 11;
        builder.Transfer(2, Frame(32, 0x25));
        string path = Write(builder);

        (int first, string ofFirst, string note) = await RunAsync("--capture", path);
        (int second, string ofSecond, string none) = await RunAsync("--capture", path, "--source", "2:11");

        Assert.Equal((0, 0), (first, second));
        Assert.Contains("2 devices", note, StringComparison.Ordinal);
        Assert.Empty(none);
        Assert.Contains("(16 bytes)", ofFirst, StringComparison.Ordinal);
        Assert.Contains("(32 bytes)", ofSecond, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ExitCode.Usage, "1 to 4096", "--depth", "0")]
    [InlineData(ExitCode.Usage, "1 to 4096", "--depth", "1000000")]
    [InlineData(ExitCode.Usage, "1 to 4096", "--depth", "-1")]
    [InlineData(ExitCode.Usage, "1 to 4096", "--depth", "99999999999999999999")]
    [InlineData(ExitCode.Usage, "--buffer 0", "--buffer", "0")]
    [InlineData(ExitCode.Usage, "1024", "--buffer", "1")]
    [InlineData(ExitCode.Usage, "1024", "--buffer", "513")]
    [InlineData(ExitCode.Usage, "MiB", "--depth", "4096", "--buffer", "16777216")]
    [InlineData(ExitCode.Usage, "exclude", "--capture", "x", "--device", "1:2")]
    [InlineData(ExitCode.Usage, "exclude", "--list", "--device", "1:2")]
    [InlineData(ExitCode.Usage, "needs --capture", "--realtime")]
    [InlineData(ExitCode.Usage, "needs --device", "--serial", "1")]
    [InlineData(ExitCode.Usage, "needs --device", "--capture", "x", "--interface", "1")]
    [InlineData(ExitCode.Usage, "takes no", "--list", "--depth", "4")]
    [InlineData(ExitCode.Usage, "VID:PID", "--device", "17e9")]
    [InlineData(ExitCode.Usage, "VID:PID", "--device", "17e9:60066")]
    [InlineData(ExitCode.Usage, "0x81 to 0x8f", "--capture", "x", "--endpoint", "0x04")]
    [InlineData(ExitCode.Usage, "0x81 to 0x8f", "--capture", "x", "--endpoint", "next")]
    [InlineData(ExitCode.Usage, "BUS:DEVICE", "--capture", "x", "--source", "2")]
    [InlineData(ExitCode.Usage, "--help", "--bogus")]
    [InlineData(ExitCode.Usage, "--capture", "--capture")]
    [InlineData(ExitCode.Capture, "no such file", "--capture", "/no/such/file")]
    [InlineData(ExitCode.Capture, "directory", "--capture", ".")]
    public async Task Run_Invalid_IsOneClearLine(int expected, string says, params string[] arguments)
    {
        (int status, string output, string errors) = await RunAsync(arguments);

        Assert.Equal(expected, status);
        Assert.Empty(output);
        Assert.Contains(says, errors, StringComparison.Ordinal);
        Assert.Single(errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Theory]
    [InlineData("cut off", "")]
    [InlineData("neither a pcap", "47495200")]
    [InlineData("Link type 1", "d4c3b2a10200040000000000000000000000040001000000")]
    [InlineData("no completion", "d4c3b2a102000400000000000000000000000400bd000000")]
    public async Task Run_UnreadableCapture_IsOneClearLine(string says, string hex)
    {
        string path = Path.Combine(_directory, "garbage");
        await File.WriteAllBytesAsync(path, Convert.FromHexString(hex));

        (int status, string output, string errors) = await RunAsync("--capture", path);

        Assert.Equal(ExitCode.Capture, status);
        Assert.Empty(output);
        Assert.Contains(says, errors, StringComparison.Ordinal);
        Assert.Single(errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Theory]
    [InlineData("--endpoint", "0x85", ExitCode.Capture)]
    [InlineData("--buffer", "513", ExitCode.Usage)]
    [InlineData("--source", "2:99", ExitCode.Capture)]
    public async Task Run_CaptureThatDoesNotFit_IsOneClearLine(string option, string value, int expected)
    {
        (int status, string output, string errors) = await RunAsync("--capture", Write(new CaptureBuilder().Transfer(1, Frame(16, 0x25))), option, value);

        Assert.Equal((expected, ""), (status, output));
        Assert.Single(errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task Run_TruncatedCapture_IsOneClearLine()
    {
        string path = Path.Combine(_directory, "cut.pcap");
        await File.WriteAllBytesAsync(path, new CaptureBuilder().Transfer(1, Frame(16, 0x25)).ToArray()[..^1]);

        (int status, string output, string errors) = await RunAsync("--capture", path);

        Assert.Equal((ExitCode.Capture, ""), (status, output));
        Assert.Contains("cut off", errors, StringComparison.Ordinal);
        Assert.Single(errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task Run_StoppedInARealTimeReplay_EndsWithASummary()
    {
        using var stop = new CancellationTokenSource();
        var builder = new CaptureBuilder();
        builder.Transfer(1, Frame(16, 0x25)).Transfer(2, Frame(16, 0x25), time: 86400);
        using var output = new SignallingWriter("4/0x25", stop.Cancel);
        using var errors = new StringWriter();

        int status = await CommandLine.RunAsync(["--capture", Write(builder), "--realtime"], output, errors, stop.Token).WaitAsync(TimeSpan.FromSeconds(20));

        Assert.Equal((0, ""), (status, errors.ToString()));
        Assert.Contains("stopped on request", output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_Help_TellsTheExitStatuses()
    {
        (int status, string output, _) = await RunAsync("--help");

        Assert.Equal(0, status);
        Assert.Contains("--capture <FILE>", output, StringComparison.Ordinal);
        Assert.Contains("5  the device was unplugged", output, StringComparison.Ordinal);
    }

    private static byte[] Frame(int size, ushort subtype)
    {
        byte[] frame = new byte[size];
        BitConverter.TryWriteBytes(frame.AsSpan(2), (ushort)(size - 4));
        frame[4] = 4;
        BitConverter.TryWriteBytes(frame.AsSpan(8), subtype);
        return frame;
    }

    private static async Task<(int Status, string Output, string Errors)> RunAsync(params string[] arguments)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var errors = new StringWriter { NewLine = "\n" };
        int status = await CommandLine.RunAsync(arguments, output, errors, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(30));
        return (status, output.ToString(), errors.ToString());
    }

    private string Write(CaptureBuilder builder)
    {
        string path = Path.Combine(_directory, "session.pcap");
        File.WriteAllBytes(path, builder.ToArray());
        return path;
    }

    /// <summary>Acts when a text was written and flushed.</summary>
    private sealed class SignallingWriter(string awaited, Action then) : StringWriter
    {
        public override void Flush()
        {
            base.Flush();
            if (ToString().Contains(awaited, StringComparison.Ordinal))
            {
                then();
            }
        }
    }
}
