using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using BulkIn.Testing;
using BulkIn.VirtualUsb;

namespace BulkIn.Bench;

/// <summary>The sample program, as a user runs it, against a virtual dock that sends a real session's frames.</summary>
internal static class SampleCases
{
    private const string Captures = "/run/captures";
    private static readonly TimeSpan StartTime = TimeSpan.FromSeconds(60);

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("sample.dock", "ControlPlaneReader --device 17e9:6006 decodes every frame of a dock, recorded ones where a recording is there, and ends with the unplug.", RecordedDock)
        {
            TimeLimit = TimeSpan.FromSeconds(180),
        },
        new("sample.generated", "The same with generated frames of every size that a recorded session has.", context => DockAsync(context, "generated", Generated()))
        {
            TimeLimit = TimeSpan.FromSeconds(180),
        },
    ];

    private static async Task RecordedDock(CaseContext context)
    {
        string? capture = Directory.Exists(Captures) ? Directory.GetFiles(Captures, "*.pcap").Order(StringComparer.Ordinal).FirstOrDefault() : null;
        await (capture is null
            ? DockAsync(context, "generated, for want of a recording", Generated())
            : DockAsync(context, Path.GetFileName(capture), await RecordedAsync(capture)));
    }

    private static async Task DockAsync(CaseContext context, string source, IReadOnlyList<byte[]> frames)
    {
        var dock = new FrameSender(frames);
        using VirtualUsbDevice device = VirtualUsbDevice.Plug(Rig.Dock(context), dock);
        var lines = new ConcurrentQueue<string>();
        using Process reader = Start(lines);
        long start = Stopwatch.GetTimestamp();
        while (CountOf(lines, "frame") + CountOf(lines, "malformed") < frames.Count && !reader.HasExited && Stopwatch.GetElapsedTime(start) < StartTime)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50));
        }

        int sent = dock.Sent;
        device.Dispose();
        using var patience = new CancellationTokenSource(StartTime);
        string errors = await reader.StandardError.ReadToEndAsync(patience.Token);
        await reader.WaitForExitAsync(patience.Token);
        // Once more without a token: this one waits for the output's end as well.
        await Task.Run(reader.WaitForExit, patience.Token);

        string summary = lines.LastOrDefault(line => IsEvent(line, "summary")) ?? throw new CaseFailedException($"the sample printed no summary; exit code {reader.ExitCode}: {errors}");
        using JsonDocument figures = JsonDocument.Parse(summary);
        long decoded = figures.RootElement.GetProperty("frames").GetInt64(), bytes = figures.RootElement.GetProperty("frameBytes").GetInt64();
        long malformed = figures.RootElement.GetProperty("transfers").GetProperty("malformed").GetInt64();
        string end = figures.RootElement.GetProperty("end").GetString()!;
        CaseContext.Figure($"{decoded} of {frames.Count} frames ({source}), {bytes} bytes, {malformed} malformed; ended: {end}, exit code {reader.ExitCode}");
        CaseContext.Require(sent == frames.Count, $"the sample took {sent} of {frames.Count} frames: {errors}");
        CaseContext.Require(decoded == frames.Count && malformed == 0 && bytes == frames.Sum(frame => frame.Length), $"{decoded} of {frames.Count} frames were decoded, {malformed} transfers were malformed");
        CaseContext.Require(end == "Unplugged" && reader.ExitCode == 5, $"the unplug ended in {end}, exit code {reader.ExitCode}");
        int index = 0;
        foreach (string line in lines.Where(line => IsEvent(line, "frame")))
        {
            using JsonDocument frame = JsonDocument.Parse(line);
            CaseContext.Require(
                Convert.FromHexString(frame.RootElement.GetProperty("hex").GetString()!).AsSpan().SequenceEqual(frames[index]), $"frame {index} is not the one the dock sent");
            index++;
        }
    }

    private static Process Start(ConcurrentQueue<string> lines)
    {
        var start = new ProcessStartInfo("dotnet", [$"{Guest.Share}/sample/ControlPlaneReader.dll", "--device", "17e9:6006", "--json"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        Process reader = Process.Start(start)!;
        reader.OutputDataReceived += (_, line) =>
        {
            if (line.Data is not null)
            {
                lines.Enqueue(line.Data);
            }
        };
        reader.BeginOutputReadLine();
        return reader;
    }

    private static int CountOf(ConcurrentQueue<string> lines, string name) => lines.Count(line => IsEvent(line, name));

    private static bool IsEvent(string line, string name) => line.StartsWith($"{{\"event\":\"{name}\"", StringComparison.Ordinal);

    private static async Task<IReadOnlyList<byte[]>> RecordedAsync(string capture)
    {
        var replay = CaptureReplay.Open(capture, new CaptureReplayOptions { Endpoint = 0x84 });
        List<byte[]> frames = [];
        await using BulkInQueue queue = BulkInQueue.Open(replay, new BulkInQueueOptions { BufferLength = Rig.BufferLength });
        byte[] buffer = new byte[Rig.BufferLength];
        while (true)
        {
            try
            {
                if (await queue.RecvAsync(buffer, CaseContext.Patience) is not { IsData: true } result)
                {
                    return frames;
                }

                if (result.Length > 0)
                {
                    frames.Add(buffer[..result.Length]);
                }
            }
            catch (BulkInException fault) when (fault.IsTerminal)
            {
                return frames;
            }
            catch (BulkInException fault) when (!fault.RecoversByItself)
            {
                await queue.RecoverAsync();
            }
            catch (BulkInException)
            {
                // The recording's own faults; reading goes on.
            }
        }
    }

    // Opening, capability block, then sealed control frames of every size a recorded session has.
    private static List<byte[]> Generated()
    {
        List<byte[]> frames = [Frame(type: 2, subtype: 0x25, length: 48, sequence: 0), Frame(type: 2, subtype: 0x25, length: 5800, sequence: 1)];
        for (int length = 29; length <= 1088; length += 2)
        {
            frames.Add(Frame(type: 4, subtype: 0x45, length, (uint)frames.Count));
        }

        return frames;
    }

    private static byte[] Frame(uint type, ushort subtype, int length, uint sequence)
    {
        byte[] frame = new byte[length];
        BinaryPrimitives.WriteUInt16LittleEndian(frame.AsSpan(2), (ushort)(length - 4));
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(4), type);
        BinaryPrimitives.WriteUInt16LittleEndian(frame.AsSpan(8), subtype);
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(12), sequence);
        return frame;
    }

    /// <summary>Answers each IN with the next frame, takes every OUT, and is silent at the end.</summary>
    private sealed class FrameSender(IReadOnlyList<byte[]> frames) : UsbFunction
    {
        private int _sent;

        public int Sent => Volatile.Read(ref _sent);

        public override void Submitted(Urb urb)
        {
            if (!urb.IsIn)
            {
                urb.Complete();
            }
            else if (_sent < frames.Count)
            {
                urb.Complete(frames[_sent]);
                Volatile.Write(ref _sent, _sent + 1);
            }
        }
    }
}
