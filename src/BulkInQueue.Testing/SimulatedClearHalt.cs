using BulkIn.Backends;

namespace BulkIn.Testing;

/// <summary>How one clear-halt request goes. The default succeeds at once.</summary>
public sealed record SimulatedClearHalt
{
    /// <summary>What it answers; default the natural answer of the device's condition. Anything but success leaves the halt.</summary>
    public BackendResult? Answer { get; init; }

    /// <summary>How long it takes, by the endpoint's <see cref="SimulatedEndpointOptions.TimeProvider"/>. Default zero.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>Where it waits before it takes effect. Default <see langword="null"/>: nowhere.</summary>
    public SimulationGate? Gate { get; init; }

    /// <summary>True: the device halts the endpoint again right after the halt was cleared.</summary>
    public bool HaltsAgain { get; init; }
}
