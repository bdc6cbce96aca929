using Xunit;

namespace BulkIn.Adapters;

/// <summary>Waits, bounded, for what another thread brings about and no event tells.</summary>
internal static class Eventually
{
    public static async Task HoldsAsync(Func<bool> condition, string what)
    {
        using CancellationTokenSource bound = new(Bounded.Limit);
        while (!condition())
        {
            Assert.False(bound.IsCancellationRequested, $"It did not come about in time that {what}.");
            await Task.Yield();
        }
    }
}
