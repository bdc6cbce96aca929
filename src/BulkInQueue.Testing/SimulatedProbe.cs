using BulkIn.Backends;

namespace BulkIn.Testing;

/// <summary>How one presence probe goes. The default answers by the device's condition.</summary>
public sealed record SimulatedProbe
{
    /// <summary>What it answers; default the truth: gone after an unplug, otherwise present.</summary>
    public DevicePresence? Answer { get; init; }

    /// <summary>True: the device never answers, so the probe ends as present when its bound is over, by the endpoint's
    /// <see cref="SimulatedEndpointOptions.TimeProvider"/>.</summary>
    public bool NeverAnswers { get; init; }

    /// <summary>Where it waits first. Default <see langword="null"/>: nowhere.</summary>
    public SimulationGate? Gate { get; init; }
}
