using BulkIn.Core;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace BulkIn;

public sealed class BackoffTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void WaitAsync_NothingAttemptedYet_DoesNotWait() => Assert.True(Create().WaitAsync(made: 0, CancellationToken.None).IsCompletedSuccessfully, "The first attempt waited.");

    [Theory]
    [InlineData(1, 100)]
    [InlineData(2, 200)]
    [InlineData(3, 400)]
    [InlineData(5, 1600)]
    [InlineData(6, 2000)]
    [InlineData(1000, 2000)]
    public async Task WaitAsync_AttemptsMade_DoublesThePauseUpToTheLongest(int made, int milliseconds)
    {
        Task pause = Create().WaitAsync(made, CancellationToken.None);
        _time.Advance(TimeSpan.FromMilliseconds(milliseconds - 1));
        Assert.False(pause.IsCompleted, $"The pause after {made} attempts was shorter than {milliseconds} ms.");
        _time.Advance(TimeSpan.FromMilliseconds(1));
        await pause.InTime($"the pause of {milliseconds} ms after {made} attempts");
    }

    private Backoff Create() => new(first: TimeSpan.FromMilliseconds(100), longest: TimeSpan.FromSeconds(2), _time);
}
