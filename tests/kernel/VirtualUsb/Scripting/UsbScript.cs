using System.Globalization;
using BulkIn.DeviceScript;

namespace BulkIn.VirtualUsb;

/// <summary>A virtual device as text: what it says it is, and what each endpoint does with the URBs that arrive.</summary>
/// <remarks>
/// One statement a line; <c>#</c> starts a comment. First the device:
/// <code>
/// device 17e9:6006 super          ids and speed (high or super)
/// text Maker Product Serial       its strings; a '-' leaves one out
/// endpoint 0x02                   a bulk endpoint; 'interrupt' and a packet size may follow
/// endpoint 0x84 bulk 1024
/// </code>
/// Then, for each endpoint, <c>on ADDRESS</c> and its statements, which run from the top as URBs arrive. An endpoint without statements takes every OUT
/// and answers no IN:
/// <code>
/// on 0x84
/// data PAYLOAD [status S] [after TIME]   answers the next URB: PAYLOAD is a length, 'full', 'random' or 'hex 00ff'
/// fail S [with PAYLOAD] [after TIME]     answers the next URB with a status: stall, error, crc, no-answer, overflow, shutdown, no-device or a number
/// hold N                                 keeps the next N URBs
/// release forward|reverse|random PAYLOAD answers the kept ones in that order
/// halt                                   halts the endpoint; the host clears it
/// expect N                               waits until N more OUT transfers have arrived at the device
/// silence                                stops until the program wakes the script
/// unlink prompt|never                    how an unlink is answered from here on
/// unlink late TIME | unlink data PAYLOAD
/// unplug                                 pulls the plug
/// repeat [N]                             goes back to 'on', N times or for ever
/// </code>
/// Payloads given by length carry the transfer's number, counted in submission order (<see cref="SequencedPayload"/>).
/// </remarks>
public sealed class UsbScript
{
    private readonly Dictionary<byte, IReadOnlyList<ScriptStep>> _programs;

    private UsbScript(DeviceDescription description, Dictionary<byte, IReadOnlyList<ScriptStep>> programs)
    {
        Description = description;
        _programs = programs;
    }

    /// <summary>What the device says it is.</summary>
    public DeviceDescription Description { get; }

    /// <summary>The endpoints that have statements.</summary>
    public IReadOnlyCollection<byte> Endpoints => _programs.Keys;

    /// <summary>Reads a script.</summary>
    /// <param name="script">Its text.</param>
    /// <exception cref="ScriptException">A statement is not understood; the message names its line.</exception>
    public static UsbScript Parse(string script)
    {
        ushort vendor = 0, product = 0;
        UsbSpeed speed = UsbSpeed.Super;
        string[] texts = ["", "", ""];
        List<EndpointDescription> endpoints = [];
        Dictionary<byte, IReadOnlyList<ScriptStep>> programs = [];
        List<ScriptStep>? current = null;

        foreach (ScriptLine line in ScriptLine.Split(script))
        {
            string verb = line.Word("a statement");
            switch (verb)
            {
                case "device":
                    (vendor, product) = Ids(line);
                    speed = Speed(line);
                    break;
                case "text":
                    for (int index = 0; index < texts.Length && !line.IsAtEnd; index++)
                    {
                        string word = line.Word("a text");
                        texts[index] = word == "-" ? "" : word;
                    }

                    break;
                case "endpoint":
                    endpoints.Add(Endpoint(line));
                    break;
                case "on":
                    byte address = Address(line);
                    if (!endpoints.Any(endpoint => endpoint.Address == address))
                    {
                        throw line.Problem($"endpoint 0x{address:x2} is not declared");
                    }

                    current = [];
                    if (!programs.TryAdd(address, current))
                    {
                        throw line.Problem($"endpoint 0x{address:x2} has its statements already");
                    }

                    break;
                default:
                    if (current is null)
                    {
                        throw line.Problem($"'{verb}' is no statement here: device, text, endpoint or on");
                    }

                    ScriptStep step = Step(verb, line);
                    if (step is ScriptStep.Repeat)
                    {
                        CheckRepeat(line, current);
                    }

                    current.Add(step);
                    break;
            }

            line.End();
        }

        if (vendor == 0 && product == 0)
        {
            throw new ScriptException(1, "a script begins with 'device VENDOR:PRODUCT SPEED'");
        }

        var description = new DeviceDescription
        {
            VendorId = vendor,
            ProductId = product,
            Speed = speed,
            Manufacturer = texts[0],
            Product = texts[1],
            SerialNumber = texts[2],
            Interfaces = [new InterfaceDescription(0, endpoints)],
        };
        return new UsbScript(description, programs);
    }

    /// <summary>The statements of an endpoint; empty when it has none.</summary>
    internal IReadOnlyList<ScriptStep> Program(byte endpoint) => _programs.GetValueOrDefault(endpoint) ?? [];

    // One that never waits would go round for ever, with the first URB that arrives.
    private static void CheckRepeat(ScriptLine line, List<ScriptStep> before)
    {
        if (!before.Exists(step => step is ScriptStep.Answer or ScriptStep.Hold or ScriptStep.Halt or ScriptStep.Expect or ScriptStep.Silence))
        {
            throw line.Problem("nothing before 'repeat' waits for anything: data, fail, hold, halt, expect or silence");
        }

        if (before.Exists(step => step is ScriptStep.Repeat))
        {
            throw line.Problem("an endpoint repeats once");
        }
    }

    private static byte Address(ScriptLine line)
    {
        int address = line.Number32("the endpoint's address");
        return address is (>= 0x01 and <= 0x0f) or (>= 0x81 and <= 0x8f) ? (byte)address : throw line.Problem("an endpoint's address is 0x01 to 0x0f or 0x81 to 0x8f");
    }

    private static (ushort Vendor, ushort Product) Ids(ScriptLine line)
    {
        string ids = line.Word("the ids");
        string[] parts = ids.Split(':');
        return parts.Length == 2
            && ushort.TryParse(parts[0], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ushort vendor)
            && ushort.TryParse(parts[1], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ushort product)
            ? (vendor, product)
            : throw line.Problem($"ids are VENDOR:PRODUCT in hexadecimal, not '{ids}'");
    }

    private static UsbSpeed Speed(ScriptLine line)
    {
        if (line.IsAtEnd || line.Take("super"))
        {
            return UsbSpeed.Super;
        }

        return line.Take("high") ? UsbSpeed.High : throw line.Problem("the speed is high or super");
    }

    private static EndpointDescription Endpoint(ScriptLine line)
    {
        byte address = Address(line);
        EndpointKind kind = line.Take("interrupt") ? EndpointKind.Interrupt : EndpointKind.Bulk;
        _ = kind == EndpointKind.Bulk && line.Take("bulk");
        return new EndpointDescription(address, kind) { MaxPacketSize = line.IsAtEnd ? 0 : line.Number32("the packet size") };
    }

    private static ScriptStep Step(string verb, ScriptLine line) => verb switch
    {
        "data" => Answer(line, UrbPayload.Parse(line), UrbStatus.Success),
        "fail" => Fail(line),
        "hold" => new ScriptStep.Hold(Positive(line)),
        "release" => new ScriptStep.Release(Order(line), UrbPayload.Parse(line)),
        "halt" => new ScriptStep.Halt(),
        "expect" => new ScriptStep.Expect(Positive(line)),
        "silence" => new ScriptStep.Silence(),
        "unlink" => Unlink(line),
        "unplug" => new ScriptStep.Unplug(),
        "repeat" => new ScriptStep.Repeat(line.IsAtEnd ? 0 : Positive(line)),
        _ => throw line.Problem($"'{verb}' is no statement of an endpoint"),
    };

    private static ScriptStep.Answer Answer(ScriptLine line, UrbPayload payload, int status)
    {
        if (line.Take("status"))
        {
            status = Status(line);
        }

        return new ScriptStep.Answer(payload, status, line.Take("after") ? line.Time("the delay") : TimeSpan.Zero);
    }

    private static ScriptStep.Answer Fail(ScriptLine line)
    {
        int status = Status(line);
        return Answer(line, line.Take("with") ? UrbPayload.Parse(line) : UrbPayload.None, status);
    }

    private static int Status(ScriptLine line)
    {
        string word = line.Word("the status");
        return UrbStatus.TryParse(word, out int status) || (int.TryParse(word, CultureInfo.InvariantCulture, out status) && status <= 0)
            ? status
            : throw line.Problem($"'{word}' is no status: stall, error, crc, no-answer, overflow, shutdown, no-device or a negative number");
    }

    private static ReleaseOrder Order(ScriptLine line) => line.Word("the order") switch
    {
        "forward" => ReleaseOrder.Forward,
        "reverse" => ReleaseOrder.Reverse,
        "random" => ReleaseOrder.Random,
        string other => throw line.Problem($"an order is forward, reverse or random, not '{other}'"),
    };

    private static ScriptStep.Unlink Unlink(ScriptLine line) => line.Word("the answer to an unlink") switch
    {
        "prompt" => new ScriptStep.Unlink(UnlinkAnswer.Prompt, TimeSpan.Zero, UrbPayload.None),
        "never" => new ScriptStep.Unlink(UnlinkAnswer.Never, TimeSpan.Zero, UrbPayload.None),
        "late" => new ScriptStep.Unlink(UnlinkAnswer.Late, line.Time("the delay"), UrbPayload.None),
        "data" => new ScriptStep.Unlink(UnlinkAnswer.WithData, TimeSpan.Zero, UrbPayload.Parse(line)),
        string other => throw line.Problem($"an unlink is answered prompt, late, data or never, not '{other}'"),
    };

    private static int Positive(ScriptLine line)
    {
        int number = line.Number32("the count");
        return number > 0 ? number : throw line.Problem("a count is at least 1");
    }
}
