using System.Globalization;
using BulkIn.Testing;
using Xunit;
using Xunit.Abstractions;

namespace BulkIn;

/// <summary>
/// What ends a wait, from threads that start at one moment: completion, timeout, token. One of them wins each time; a byte that arrived is received by this receive or
/// by the next. <c>BULKIN_RACE_ROUNDS=…</c> runs so many rounds of each race.
/// </summary>
public sealed class RaceModelTests(ITestOutputHelper output)
{
    private const int DefaultRounds = 50_000;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(1);

    [Theory]
    [FaultRow(65)]
    [FaultRow(84)]
    [InlineData(Reading.Awaiting)]
    [InlineData(Reading.Blocking)]
    [InlineData(Reading.Leasing)]
    public Task Timeout_RacingACompletion_OneWinsAndNothingIsLost(Reading reading) => RaceAsync(reading, times: true, cancels: false);

    [Theory]
    [FaultRow(84)]
    [InlineData(Reading.Awaiting)]
    [InlineData(Reading.Leasing)]
    public Task Cancellation_RacingACompletion_OneWinsAndNothingIsLost(Reading reading) => RaceAsync(reading, times: false, cancels: true);

    [Fact]
    [FaultRow(84)]
    public Task TimeoutAndCancellation_RacingACompletion_OneWinsAndNothingIsLost() => RaceAsync(Reading.Awaiting, times: true, cancels: true);

    private async Task RaceAsync(Reading reading, bool times, bool cancels)
    {
        int rounds = Environment.GetEnvironmentVariable("BULKIN_RACE_ROUNDS") is { } asked ? int.Parse(asked, CultureInfo.InvariantCulture) : DefaultRounds;
        VirtualClock clock = new();
        using SimulatedEndpoint device = new(SimulatedEndpointOptions.Fast with { TimeProvider = clock });
        await using BulkInQueue queue = device.OpenQueue(new BulkInQueueOptions { Depth = 2, BufferLength = 512, TimeProvider = clock });
        CancellationTokenSource cancel = new();
        int sent = 0;
        using Racers racers = new(
            () => device.Deliver(BitConverter.GetBytes(sent++)),
            () => clock.Advance(times ? Timeout : TimeSpan.Zero),
            () => (cancels ? cancel : null)?.Cancel());
        byte[] bytes = new byte[4];
        int received = 0;
        Dictionary<string, int> ends = [];
        for (int round = 0; round < rounds; round++)
        {
            Task<BulkInResult>? awaited = null;
            Task<BulkInLease>? leased = null;
            if (reading == Reading.Awaiting)
            {
                awaited = queue.RecvAsync(bytes, Timeout, cancel.Token).AsTask();
            }
            else if (reading == Reading.Leasing)
            {
                leased = queue.LeaseAsync(Timeout, cancel.Token).AsTask();
            }

            racers.Start();
            string end;
            try
            {
                if (leased is not null)
                {
                    using BulkInLease lease = await leased.InTime("a lease that a completion ends, if nothing else does");
                    end = lease.Status.ToString();
                    lease.Span.CopyTo(bytes);
                }
                else
                {
                    BulkInResult result = awaited is null ? queue.Recv(bytes, Timeout) : await awaited.InTime("a receive that a completion ends, if nothing else does");
                    end = result.Status.ToString();
                }
            }
            catch (OperationCanceledException)
            {
                end = "Cancelled";
            }

            racers.Join();
            ends[end] = ends.GetValueOrDefault(end) + 1;
            if (end == nameof(BulkInStatus.Data) || queue.TryRecv(bytes, out _))
            {
                Assert.Equal(received++, BitConverter.ToInt32(bytes));
            }

            Assert.Equal(sent, received);
            Assert.False(queue.TryRecv(bytes, out _), "More was received than sent.");
            if (cancel.IsCancellationRequested)
            {
                cancel.Dispose();
                cancel = new CancellationTokenSource();
            }
        }

        cancel.Dispose();
        output.WriteLine(string.Join(", ", ends.Select(static e => $"{e.Value} {e.Key}")));
        Assert.True(ends.GetValueOrDefault(nameof(BulkInStatus.Data)) > 0, "No completion ever won: this raced nothing.");
        Assert.True(!times || ends.GetValueOrDefault(nameof(BulkInStatus.TimedOut)) > 0, "No timeout ever won: this raced nothing.");
        Assert.True(!cancels || ends.GetValueOrDefault("Cancelled") > 0, "No cancellation ever won: this raced nothing.");
        device.VerifyNoMisuse();
    }
}
