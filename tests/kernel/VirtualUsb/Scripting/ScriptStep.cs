namespace BulkIn.VirtualUsb;

/// <summary>How a scripted endpoint answers the host's unlink.</summary>
internal enum UnlinkAnswer
{
    /// <summary>At once.</summary>
    Prompt,

    /// <summary>After a time.</summary>
    Late,

    /// <summary>With the data of a completed transfer.</summary>
    WithData,

    /// <summary>Not at all: the host's cancel hangs until the device is unplugged.</summary>
    Never,
}

/// <summary>The order in which held URBs are answered.</summary>
internal enum ReleaseOrder
{
    Forward,
    Reverse,
    Random,
}

/// <summary>One statement of an endpoint's script.</summary>
internal abstract record ScriptStep
{
    /// <summary>Answers the next URB.</summary>
    public sealed record Answer(UrbPayload Payload, int Status, TimeSpan Delay) : ScriptStep;

    /// <summary>Takes the next URBs without answering them.</summary>
    public sealed record Hold(int Count) : ScriptStep;

    /// <summary>Answers everything held.</summary>
    public sealed record Release(ReleaseOrder Order, UrbPayload Payload) : ScriptStep;

    /// <summary>Halts the endpoint, once a URB is there to see it.</summary>
    public sealed record Halt : ScriptStep;

    /// <summary>Does nothing more until <see cref="ScriptedFunction.Wake"/>.</summary>
    public sealed record Silence : ScriptStep;

    /// <summary>Waits until so many more OUT transfers have arrived.</summary>
    public sealed record Expect(int Count) : ScriptStep;

    /// <summary>Sets how unlinks are answered from here on.</summary>
    public sealed record Unlink(UnlinkAnswer Policy, TimeSpan Delay, UrbPayload Payload) : ScriptStep;

    /// <summary>Goes back to the first statement of the endpoint: so many times, or for ever (0).</summary>
    public sealed record Repeat(int Count) : ScriptStep;

    /// <summary>Unplugs the device.</summary>
    public sealed record Unplug : ScriptStep;
}
