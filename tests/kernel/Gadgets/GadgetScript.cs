using BulkIn.DeviceScript;

namespace BulkIn.Gadgets;

/// <summary>A FunctionFS device as text: its endpoints, and what its threads do with them.</summary>
/// <remarks>
/// One statement a line; <c>#</c> starts a comment. First the endpoints, each with a name:
/// <code>
/// in  replies [interrupt]
/// out commands
/// </code>
/// Then one or more tasks, each a thread of the device that runs its statements from the top once the host has configured it:
/// <code>
/// task
/// read NAME [N]              waits for N (1) OUT transfers
/// write NAME PAYLOAD [N] [every TIME]
///                            sends N (1) transfers, each when the one before was taken and after a pause: a length, or 'random MAXIMUM';
///                            0 is a zero-length packet
/// pause TIME                 is silent
/// await                      is silent until the program wakes the task
/// halt NAME                  halts an endpoint; the host clears it
/// unbind                     unplugs the device
/// bind                       plugs it in again, and waits for the host
/// repeat [N]                 goes back to 'task', N times or for ever
/// </code>
/// Payloads carry the transfer's number, counted per endpoint from 0 (<see cref="SequencedPayload"/>).
/// </remarks>
public sealed class GadgetScript
{
    /// <summary>The longest transfer a task writes or reads, in bytes.</summary>
    internal const int LongestTransfer = 64 * 1024;

    private GadgetScript(List<GadgetEndpoint> endpoints, List<IReadOnlyList<GadgetStep>> tasks)
    {
        Endpoints = endpoints;
        Tasks = tasks;
    }

    /// <summary>The endpoints, in the order of their files.</summary>
    public IReadOnlyList<GadgetEndpoint> Endpoints { get; }

    internal IReadOnlyList<IReadOnlyList<GadgetStep>> Tasks { get; }

    /// <summary>Reads a script.</summary>
    /// <param name="script">Its text.</param>
    /// <exception cref="ScriptException">A statement is not understood; the message names its line.</exception>
    public static GadgetScript Parse(string script)
    {
        List<GadgetEndpoint> endpoints = [];
        List<IReadOnlyList<GadgetStep>> tasks = [];
        List<GadgetStep>? task = null;
        foreach (ScriptLine line in ScriptLine.Split(script))
        {
            string verb = line.Word("a statement");
            switch (verb)
            {
                case "in" or "out" when task is null:
                    string name = line.Word("the endpoint's name");
                    if (endpoints.Exists(endpoint => string.Equals(endpoint.Name, name, StringComparison.Ordinal)))
                    {
                        throw line.Problem($"an endpoint is called '{name}' already");
                    }

                    endpoints.Add(new GadgetEndpoint(name, verb == "in", line.Take("interrupt")));
                    break;
                case "task":
                    task = [];
                    tasks.Add(task);
                    break;
                default:
                    if (task is null)
                    {
                        throw line.Problem($"'{verb}' is no statement here: in, out or task");
                    }

                    GadgetStep step = Step(verb, line, endpoints);
                    if (step is GadgetStep.Repeat)
                    {
                        CheckRepeat(line, task);
                    }

                    task.Add(step);
                    break;
            }

            line.End();
        }

        return endpoints.Count > 0 ? new GadgetScript(endpoints, tasks) : throw new ScriptException(1, "a device has at least one endpoint");
    }

    private static void CheckRepeat(ScriptLine line, List<GadgetStep> before)
    {
        if (before.Count == 0)
        {
            throw line.Problem("there is nothing before 'repeat' to be repeated");
        }

        if (before.Exists(step => step is GadgetStep.Repeat))
        {
            throw line.Problem("a task repeats once");
        }
    }

    private static GadgetStep Step(string verb, ScriptLine line, List<GadgetEndpoint> endpoints) => verb switch
    {
        "read" => new GadgetStep.Read(Endpoint(line, endpoints, isIn: false), Count(line)),
        "write" => Write(line, Endpoint(line, endpoints, isIn: true)),
        "pause" => new GadgetStep.Pause(line.Time("the pause")),
        "await" => new GadgetStep.Await(),
        "halt" => new GadgetStep.Halt(Endpoint(line, endpoints, isIn: null)),
        "unbind" => new GadgetStep.Unbind(),
        "bind" => new GadgetStep.Bind(),
        "repeat" => new GadgetStep.Repeat(line.IsAtEnd ? 0 : Count(line)),
        _ => throw line.Problem($"'{verb}' is no statement of a task"),
    };

    private static GadgetStep.Write Write(ScriptLine line, GadgetEndpoint endpoint)
    {
        bool random = line.Take("random");
        int length = line.Number32("the length");
        if (length is < 0 or > LongestTransfer)
        {
            throw line.Problem($"a length is not negative, and at most {LongestTransfer}");
        }

        int count = 1;
        if (!line.Take("every"))
        {
            count = Count(line);
            if (!line.Take("every"))
            {
                return new GadgetStep.Write(endpoint, length, random, count, TimeSpan.Zero);
            }
        }

        return new GadgetStep.Write(endpoint, length, random, count, line.Time("the pause"));
    }

    private static int Count(ScriptLine line)
    {
        int count = line.IsAtEnd ? 1 : line.Number32("the count");
        return count > 0 ? count : throw line.Problem("a count is at least 1");
    }

    private static GadgetEndpoint Endpoint(ScriptLine line, List<GadgetEndpoint> endpoints, bool? isIn)
    {
        string name = line.Word("the endpoint's name");
        GadgetEndpoint endpoint = endpoints.Find(candidate => string.Equals(candidate.Name, name, StringComparison.Ordinal))
            ?? throw line.Problem($"no endpoint is called '{name}'");
        return isIn is null || isIn == endpoint.IsIn ? endpoint : throw line.Problem($"'{name}' goes the other way");
    }
}
