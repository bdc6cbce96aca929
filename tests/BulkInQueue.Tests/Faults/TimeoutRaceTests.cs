using BulkIn.Testing;
using Xunit;

namespace BulkIn;

/// <summary>The ends of a wait racing each other: completion, timeout, token, dispose. Exactly one wins, and no byte is lost.</summary>
public sealed class TimeoutRaceTests
{
    [Theory]
    [FaultRow(65)]
    [FaultRow(84)]
    [InlineData(CompletionThread.Caller)]
    [InlineData(CompletionThread.Dedicated)]
    public async Task RecvAsync_TimeoutsAndTokensRacingCompletions_LoseNothing(CompletionThread completions)
    {
        const int Count = 10_000;
        using SimulatedEndpoint device = new(SimulatedEndpointOptions.Fast with { CompletionThread = completions });
        await using BulkInQueue queue = device.OpenQueue(new BulkInQueueOptions { Depth = 2, BufferLength = 512 });
        Random random = new(1);
        Task sender = Task.Factory.StartNew(
            () =>
            {
                SpinWait spin = default;
                for (int i = 0; i < Count; i++)
                {
                    while (device.WaitingMessages > 4)
                    {
                        spin.SpinOnce();
                    }

                    device.Deliver(BitConverter.GetBytes(i));
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        byte[] destination = new byte[512];
        int next = 0;
        while (next < Count)
        {
            using CancellationTokenSource cancel = new();
            int way = random.Next(4);
            if (way == 0)
            {
                cancel.CancelAfter(TimeSpan.FromMilliseconds(random.Next(2)));
            }

            try
            {
                BulkInResult result = way == 3
                    ? queue.Recv(destination, TimeSpan.FromTicks(random.Next(20_000)))
                    : await queue.RecvAsync(destination, way == 1 ? TimeSpan.FromTicks(random.Next(20_000)) : TimeSpan.FromSeconds(30), cancel.Token).InTime("a receive that must end by data, timeout or token");
                if (result.IsData)
                {
                    Assert.Equal((4, next), (result.Length, BitConverter.ToInt32(destination)));
                    next++;
                }
            }
            catch (OperationCanceledException)
            {
                Assert.Equal(0, way);
            }
        }

        await sender;
        device.VerifyNoMisuse();
    }

    [Fact]
    [FaultRow(65)]
    public async Task RecvAsync_ShortTimeoutsWhileThePoolIsPausedAndResumed_AllEnd()
    {
        using SimulatedEndpoint device = new(SimulatedEndpointOptions.Fast);
        await using BulkInQueue queue = device.OpenQueue(new BulkInQueueOptions { Depth = 2, BufferLength = 512 });
        using CancellationTokenSource end = new();
        Task changes = Task.Run(async () =>
        {
            while (!end.IsCancellationRequested)
            {
                await queue.PauseAsync();
                await queue.ResumeAsync();
            }
        });
        byte[] destination = new byte[512];
        for (int i = 0; i < 200; i++)
        {
            // Every change ends a round of the wait and starts another: the timeout must survive them all.
            BulkInResult result = await queue.RecvAsync(destination, TimeSpan.FromTicks(1 + (i * 37 % 20_000))).InTime("a receive with a timeout");
            Assert.Equal(BulkInStatus.TimedOut, result.Status);
        }

        await end.CancelAsync();
        await changes.InTime();
    }

    [Fact]
    public async Task Recv_TimeoutAboveWhatOneWaitTakes_Waits()
    {
        using SimulatedEndpoint device = new(SimulatedEndpointOptions.Fast);
        await using BulkInQueue queue = device.OpenQueue(new BulkInQueueOptions { Depth = 2, BufferLength = 512 });
        Task<BulkInResult> receive = Task.Factory.StartNew(
            () => queue.Recv(new byte[512], TimeSpan.FromDays(40)),
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);

        device.Deliver([1]);

        Assert.Equal(1, (await receive.InTime()).Length);
    }
}
