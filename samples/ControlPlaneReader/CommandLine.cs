using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Globalization;
using BulkIn;

namespace ControlPlaneReader;

/// <summary>The command line: what may be combined, in which ranges, and what each does.</summary>
internal sealed class CommandLine
{
    private const int DefaultDepth = 8;
    private const int DefaultBuffer = 16 * 1024;
    private const int LongestBuffer = 16 * 1024 * 1024;
    private const long MostMemory = 1L << 30;

    private readonly Option<string> _capture = new("--capture") { HelpName = "FILE", Description = "Replay a USB capture (pcap or pcapng, recorded on Linux) through the queue." };
    private readonly Option<string> _device = new("--device") { HelpName = "VID:PID", Description = "Read a real device, for example 17e9:6006." };
    private readonly Option<bool> _list = new("--list") { Description = "List the USB devices with their IN endpoints." };
    private readonly Option<string> _endpoint = new("--endpoint") { HelpName = "ADDRESS", Description = "The IN endpoint, 0x81 to 0x8f. Default 0x84, the control plane." };
    private readonly Option<string> _source = new("--source") { HelpName = "BUS:DEVICE", Description = "With --capture: the recorded device, where several have the endpoint. Default the first." };
    private readonly Option<bool> _realTime = new("--realtime") { Description = "With --capture: keep the recorded pauses. Default: as fast as it goes." };
    private readonly Option<string> _serial = new("--serial") { HelpName = "NUMBER", Description = "With --device: its serial number, where several are attached." };
    private readonly Option<string> _interface = new("--interface") { HelpName = "NUMBER", Description = "With --device: the interface to claim. Default the one that has the endpoint." };
    private readonly Option<string> _depth = new("--depth") { HelpName = "N", Description = $"Transfers kept posted, 1 to {BulkInQueueOptions.MaximumDepth}. Default 8." };
    private readonly Option<string> _buffer = new("--buffer") { HelpName = "BYTES", Description = "Bytes of each transfer: a multiple of the endpoint's max packet size. Default 16384; with --capture what the recording used." };
    private readonly Option<bool> _json = new("--json") { Description = "One JSON object per line, a summary object last." };
    private readonly Option<bool> _full = new("--full") { Description = "Print every byte of each frame, not only the first 32." };
    private readonly RootCommand _root;

    private CommandLine()
    {
        _root = new RootCommand("Reads the control plane of a DisplayLink DL3 dock: frames from its bulk IN endpoint, which must never go un-posted.")
        {
            _capture, _device, _list, _endpoint, _source, _realTime, _serial, _interface, _depth, _buffer, _json, _full,
        };
        foreach (Option option in _root.Options)
        {
            if (option is HelpOption help)
            {
                help.Action = new HelpWithExamples((HelpAction)help.Action!);
            }
        }

        // Only looked at: Main decides what runs, so that every failure ends in one line.
        _root.SetAction(static _ => ExitCode.Done);
    }

    /// <summary>Runs the program.</summary>
    /// <param name="arguments">The command line.</param>
    /// <param name="output">Standard output.</param>
    /// <param name="errors">Standard error: notes and problems, one line each.</param>
    /// <param name="stop">Asks for a clean stop.</param>
    /// <returns>The exit status.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, TextWriter output, TextWriter errors, CancellationToken stop)
    {
        try
        {
            return await new CommandLine().DispatchAsync(arguments, output, errors, stop);
        }
        catch (OutputClosedException)
        {
            return ExitCode.Done;
        }
        catch (ProblemException problem)
        {
            await errors.WriteLineAsync($"error: {problem.Message}");
            return problem.ExitCode;
        }
#pragma warning disable CA1031 // The last resort of a console program: one line instead of a stack trace.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            await errors.WriteLineAsync($"error: {Problem.FirstLine(exception.Message)}");
            return ExitCode.Failed;
        }
    }

    private async Task<int> DispatchAsync(IReadOnlyList<string> arguments, TextWriter output, TextWriter errors, CancellationToken stop)
    {
        ParseResult parsed = _root.Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null, EnablePosixBundling = false });
        if (parsed.Action is not null && parsed.Errors.Count == 0 && parsed.Action != _root.Action)
        {
            int code = await parsed.InvokeAsync(new InvocationConfiguration { Output = output, Error = errors, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, stop);
            await output.FlushAsync(stop);
            return code;
        }

        if (parsed.Errors.Count > 0)
        {
            throw Usage($"{Problem.FirstLine(parsed.Errors[0].Message)} --help shows what there is.");
        }

        string? capture = parsed.GetValue(_capture);
        string? device = parsed.GetValue(_device);
        bool list = parsed.GetValue(_list);
        Check(parsed, capture is not null, device is not null, list);

        int? depth = Number(parsed, _depth, 1, BulkInQueueOptions.MaximumDepth);
        int? buffer = Number(parsed, _buffer, 1, LongestBuffer);
        if ((long)(depth ?? DefaultDepth) * (buffer ?? DefaultBuffer) > MostMemory)
        {
            throw Usage($"--depth {depth ?? DefaultDepth} times --buffer {buffer ?? DefaultBuffer} is more than {MostMemory / (1 << 20)} MiB of buffers.");
        }

        byte endpoint = EndpointAddress(parsed);
        IReport report = parsed.GetValue(_json) ? new JsonReport(output) : new TextReport(output, parsed.GetValue(_full));
        if (capture is not null)
        {
            var request = new CaptureRequest(capture, endpoint, SourceOf(parsed), parsed.GetValue(_realTime), depth ?? DefaultDepth, buffer);
            return await CaptureReading.RunAsync(request, report, errors, stop);
        }

        if (list)
        {
            return await DeviceList.RunAsync(parsed.GetValue(_json), output, stop);
        }

        if (device is not null)
        {
            (ushort vendor, ushort product) = IdsOf(device);
            var request = new DeviceRequest(
                vendor, product, parsed.GetValue(_serial), Number(parsed, _interface, 0, 255), endpoint, depth ?? DefaultDepth, buffer ?? DefaultBuffer);
            return await DeviceReading.RunAsync(request, report, errors, stop);
        }

        return await DockComparison.RunAsync(depth ?? DefaultDepth, buffer ?? DefaultBuffer, parsed.GetValue(_json), output, stop);
    }

    private void Check(ParseResult parsed, bool capture, bool device, bool list)
    {
        if ((capture ? 1 : 0) + (device ? 1 : 0) + (list ? 1 : 0) > 1)
        {
            throw Usage("--capture, --device and --list exclude each other.");
        }

        Option? misplaced = parsed.CommandResult.Children
            .OfType<System.CommandLine.Parsing.OptionResult>()
            .Where(static result => !result.Implicit)
            .Select(static result => result.Option)
            .FirstOrDefault(option => !Allowed(option, capture, device, list));
        if (misplaced is null)
        {
            return;
        }

        string needed = misplaced == _source || misplaced == _realTime ? "--capture"
            : misplaced == _serial || misplaced == _interface ? "--device"
            : "--capture or --device";
        throw Usage(list ? $"--list takes no {misplaced.Name}." : $"{misplaced.Name} needs {needed}.");
    }

    private bool Allowed(Option option, bool capture, bool device, bool list)
    {
        if (option == _capture || option == _device || option == _list)
        {
            return true;
        }

        if (option == _json)
        {
            return true;
        }

        if (option == _depth || option == _buffer)
        {
            return !list;
        }

        if (option == _source || option == _realTime)
        {
            return capture;
        }

        return option == _serial || option == _interface ? device : capture || device;
    }

    private static int? Number(ParseResult parsed, Option<string> option, int least, int most)
    {
        if (parsed.GetValue(option) is not { } text)
        {
            return null;
        }

        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value >= least && value <= most
            ? value
            : throw Usage($"{option.Name} {text}: a number from {least} to {most} is expected.");
    }

    private byte EndpointAddress(ParseResult parsed)
    {
        if (parsed.GetValue(_endpoint) is not { } text)
        {
            return 0x84;
        }

        bool hex = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        bool read = byte.TryParse(hex ? text.AsSpan(2) : text, hex ? NumberStyles.AllowHexSpecifier : NumberStyles.None, CultureInfo.InvariantCulture, out byte address);
        return read && address is >= 0x81 and <= 0x8F
            ? address
            : throw Usage($"--endpoint {text}: the address of an IN endpoint, 0x81 to 0x8f, is expected.");
    }

    private (int Bus, int Device)? SourceOf(ParseResult parsed)
    {
        if (parsed.GetValue(_source) is not { } text)
        {
            return null;
        }

        string[] parts = text.Split(':');
        return parts.Length == 2
            && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int bus)
            && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int device)
            ? (bus, device)
            : throw Usage($"--source {text}: BUS:DEVICE in decimal is expected, for example 2:10.");
    }

    private static (ushort Vendor, ushort Product) IdsOf(string text)
    {
        string[] parts = text.Split(':');
        return parts.Length == 2
            && ushort.TryParse(parts[0], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ushort vendor)
            && ushort.TryParse(parts[1], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ushort product)
            ? (vendor, product)
            : throw Usage($"--device {text}: VID:PID in hexadecimal is expected, for example 17e9:6006.");
    }

    private static ProblemException Usage(string message) => new(ExitCode.Usage, message);

    /// <summary>The generated help, then what it cannot know.</summary>
    private sealed class HelpWithExamples(HelpAction generated) : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            int result = generated.Invoke(parseResult);
            parseResult.InvocationConfiguration.Output.WriteLine(
                """
                Without options it runs against a simulated dock: first reading one transfer at a time,
                which stalls, then with the queue, and compares the two.

                Examples:
                  ControlPlaneReader                                   the comparison, without any hardware
                  ControlPlaneReader --capture session.pcap            one line per frame, then a summary
                  ControlPlaneReader --capture session.pcap --json     the same for machines
                  ControlPlaneReader --list                            what is attached
                  ControlPlaneReader --device 17e9:6006                a real dock, until Ctrl-C

                Each frame: time in seconds, type/subtype, sequence, size in bytes, hex. After the dock's key
                exchange the bodies are sealed, so headers, sizes and timing are what there is to see.
                What is no frame is hex-dumped, counted and skipped.

                Exit status:
                  0  done, or stopped by Ctrl-C or SIGTERM
                  1  failed otherwise
                  2  the command line is not valid
                  3  the capture cannot be read, or has no such endpoint
                  4  the device cannot be opened: missing, no permission, in use, no such endpoint
                  5  the device was unplugged
                """);
            return result;
        }
    }
}
