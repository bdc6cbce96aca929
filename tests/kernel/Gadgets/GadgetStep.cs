namespace BulkIn.Gadgets;

/// <summary>One statement of a <see cref="GadgetScript"/>'s task.</summary>
internal abstract record GadgetStep
{
    public sealed record Read(GadgetEndpoint Endpoint, int Count) : GadgetStep;

    public sealed record Write(GadgetEndpoint Endpoint, int Length, bool Random, int Count, TimeSpan Interval) : GadgetStep;

    public sealed record Pause(TimeSpan Time) : GadgetStep;

    public sealed record Await : GadgetStep;

    public sealed record Halt(GadgetEndpoint Endpoint) : GadgetStep;

    public sealed record Unbind : GadgetStep;

    public sealed record Bind : GadgetStep;

    public sealed record Repeat(int Count) : GadgetStep;
}
