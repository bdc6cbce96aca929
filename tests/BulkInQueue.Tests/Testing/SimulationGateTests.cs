using Xunit;

namespace BulkIn.Testing;

public sealed class SimulationGateTests
{
    [Fact]
    public async Task Gate_Reached_HoldsUntilOpened()
    {
        SimulationGate gate = new();
        Assert.False(gate.IsReached);
        Task blocked = Task.Run(gate.Pass);
        await gate.WhenReachedAsync();
        Assert.False(blocked.IsCompleted);

        gate.Open();
        gate.Open();

        await blocked.WaitAsync(TimeSpan.FromSeconds(10));
        await gate.PassAsync();
        Assert.True(gate.IsOpen);
    }

    [Fact]
    public async Task Gate_NeverOpenedOrReached_EndsInAnExceptionAndNotInAHang()
    {
        SimulationGate gate = new(TimeSpan.FromMilliseconds(1));
        await Assert.ThrowsAsync<TimeoutException>(gate.WhenReachedAsync);
        await Assert.ThrowsAsync<TimeoutException>(gate.PassAsync);
        Assert.Throws<TimeoutException>(gate.Pass);
        Assert.Throws<ArgumentOutOfRangeException>(() => new SimulationGate(TimeSpan.Zero));
    }
}
