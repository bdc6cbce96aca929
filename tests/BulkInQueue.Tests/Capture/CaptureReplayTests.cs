#pragma warning disable CA2000 // The queue owns the replay, the replay its stream, and every test disposes of its Replayed.
#pragma warning disable CA5394 // A fixed seed: the same damage in every run, so that a failure can be looked at.

using Xunit;

namespace BulkIn.Testing;

public sealed class CaptureReplayTests
{
    // Replays take milliseconds; only a hang takes this long.
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task Replay_Completions_ArriveAsRecorded()
    {
        var builder = new CaptureBuilder();
        for (int i = 0; i < 40; i++)
        {
            builder.Transfer((ulong)(i % 4), Pattern(i, i * 3), time: i);
        }

        await using Replayed replayed = Replayed.Open(builder);
        for (int i = 0; i < 40; i++)
        {
            (BulkInResult result, byte[] data) = await replayed.ReceiveAsync();
            Assert.Equal(Pattern(i, i * 3), data);
            Assert.Equal(i, result.Sequence);
            Assert.True(result.EndOfMessage, $"transfer {i} was short on the capturing host");
            Assert.True(replayed.Replay.TryTakeDelivery(out CaptureDelivery delivery));
            Assert.Equal((TimeSpan.FromSeconds(i), i * 3, 0), (delivery.Time, delivery.Length, delivery.MissingLength));
        }

        BulkInException end = await replayed.FaultAsync();
        Assert.Equal(BulkInError.DeviceGone, end.Error);
        Assert.Contains("end of the recording", end.Message, StringComparison.Ordinal);
        Assert.Equal(CaptureReplayEnd.RecordingEnded, replayed.Replay.End);
        Assert.Equal(new CaptureReplayStatistics { Completions = 40, Delivered = 40, Bytes = 39 * 40 / 2 * 3 }, replayed.Replay.Statistics);
    }

    [Fact]
    public async Task Replay_HostsCancelsAndUnplug_AreCountedAndEndTheStream()
    {
        var builder = new CaptureBuilder();
        builder.Submit(1).Submit(2).Fail(1, -2).Complete(2, [1]).Transfer(3, [], -104).Transfer(4, [2]).Submit(5).Submit(6).Fail(5, -108).Fail(6, -108);
        await using Replayed replayed = Replayed.Open(builder);

        Assert.Equal([1], (await replayed.ReceiveAsync()).Data);
        Assert.Equal([2], (await replayed.ReceiveAsync()).Data);
        BulkInException end = await replayed.FaultAsync();

        Assert.Equal(BulkInError.DeviceGone, end.Error);
        Assert.Equal(CaptureReplayEnd.Unplugged, replayed.Replay.End);
        Assert.Equal(
            new CaptureReplayStatistics { Completions = 6, Delivered = 2, CancelledByHost = 2, Unplugged = 2, Bytes = 2 },
            replayed.Replay.Statistics);
    }

    [Fact]
    public async Task Replay_ShutDownWithLifeAfterIt_IsPassedOver()
    {
        var builder = new CaptureBuilder();
        builder.Transfer(1, [1]).Transfer(2, [], -108).Transfer(2, [], -108).Transfer(3, [3]);
        await using Replayed replayed = Replayed.Open(builder);

        Assert.Equal([1], (await replayed.ReceiveAsync()).Data);
        Assert.Equal([3], (await replayed.ReceiveAsync()).Data);
        await replayed.FaultAsync();

        Assert.Equal(CaptureReplayEnd.RecordingEnded, replayed.Replay.End);
        Assert.Equal(2, replayed.Replay.Statistics.Interrupted);
    }

    [Theory]
    [InlineData(-32, BulkInError.Stall)]
    [InlineData(-71, BulkInError.TransferError)]
    [InlineData(-84, BulkInError.TransferError)]
    [InlineData(-62, BulkInError.TransferError)]
    [InlineData(-75, BulkInError.Overflow)]
    [InlineData(-110, BulkInError.TransferError)]
    [InlineData(-4711, BulkInError.TransferError)]
    public async Task Replay_Fault_IsThrownOnceAtItsPlaceAndTheReplayGoesOn(int status, BulkInError expected)
    {
        var builder = new CaptureBuilder();
        builder.Submit(1).Submit(2).Submit(3).Submit(4).Complete(1, [1]).Fail(2, status).Fail(3, status).Fail(4, status).Transfer(1, [2]);
        await using Replayed replayed = Replayed.Open(builder);

        Assert.Equal([1], (await replayed.ReceiveAsync()).Data);
        BulkInException fault = await replayed.FaultAsync();
        Assert.Equal(expected, fault.Error);
        Assert.True(fault.RecoversByItself);
        Assert.Equal([2], (await replayed.ReceiveAsync()).Data);
        Assert.Equal(BulkInError.DeviceGone, (await replayed.FaultAsync()).Error);

        Assert.Equal(3, replayed.Replay.Statistics.Faults);
        Assert.Equal(1, replayed.Queue.Statistics.Recoveries);
    }

    [Fact]
    public async Task Replay_FaultsOneAfterTheOther_AreEachThrown()
    {
        var builder = new CaptureBuilder();
        builder.Transfer(1, [], -32).Transfer(1, [], -32).Transfer(1, [5, 6], -71).Transfer(1, [7]);
        await using Replayed replayed = Replayed.Open(builder);

        Assert.Equal(BulkInError.Stall, (await replayed.FaultAsync()).Error);
        Assert.Equal(BulkInError.Stall, (await replayed.FaultAsync()).Error);
        Assert.Equal([5, 6], (await replayed.ReceiveAsync()).Data);
        Assert.Equal(BulkInError.TransferError, (await replayed.FaultAsync()).Error);
        Assert.Equal([7], (await replayed.ReceiveAsync()).Data);
    }

    [Theory]
    [InlineData(512)]
    [InlineData(1024)]
    public async Task Replay_LongerThanTheBuffer_IsSplitAsADeviceWould(int bufferLength)
    {
        byte[] whole = Pattern(3, 2048);
        var builder = new CaptureBuilder();
        builder.Transfer(1, whole).Transfer(2, [9]);
        await using Replayed replayed = Replayed.Open(builder, bufferLength: bufferLength);

        var received = new List<byte>();
        for (int i = 0; i < 2048 / bufferLength; i++)
        {
            (BulkInResult result, byte[] data) = await replayed.ReceiveAsync();
            Assert.False(result.EndOfMessage);
            received.AddRange(data);
        }

        Assert.Equal(whole, received);
        (BulkInResult last, byte[] none) = await replayed.ReceiveAsync();
        Assert.Empty(none);
        Assert.True(last.EndOfMessage, "the capturing host saw a short transfer of a whole number of packets, so a zero-length packet ended it");
        Assert.Equal([9], (await replayed.ReceiveAsync()).Data);
    }

    [Fact]
    public async Task Replay_FullTransferIntoALargerBuffer_GoesOnInTheSameTransfer()
    {
        var builder = new CaptureBuilder();
        builder.Submit(1, length: 1024).Complete(1, Pattern(1, 1024)).Submit(1, length: 1024).Complete(1, Pattern(2, 100)).Submit(2, length: 4096).Complete(2, [7]);
        await using Replayed replayed = Replayed.Open(builder);

        Assert.Equal(4096, replayed.Queue.BufferLength);
        (BulkInResult result, byte[] data) = await replayed.ReceiveAsync();
        Assert.Equal([.. Pattern(1, 1024), .. Pattern(2, 100)], data);
        Assert.True(result.EndOfMessage);
        Assert.Equal([7], (await replayed.ReceiveAsync()).Data);
    }

    [Fact]
    public async Task Replay_FullTransferAtTheEnd_LosesNoByte()
    {
        var builder = new CaptureBuilder();
        builder.Submit(1, length: 1024).Complete(1, Pattern(1, 1024)).Submit(2, length: 4096);
        await using Replayed replayed = Replayed.Open(builder);

        Assert.Equal(Pattern(1, 1024), (await replayed.ReceiveAsync()).Data);
        Assert.Equal(BulkInError.DeviceGone, (await replayed.FaultAsync()).Error);
    }

    [Fact]
    public async Task Replay_SnapLength_DeliversWhatIsThereAndCountsTheRest()
    {
        var builder = new CaptureBuilder { Snap = 48 + 16 };
        builder.Transfer(1, Pattern(1, 100)).Transfer(2, Pattern(2, 4));
        await using Replayed replayed = Replayed.Open(builder);

        Assert.Equal(Pattern(1, 100)[..16], (await replayed.ReceiveAsync()).Data);
        Assert.True(replayed.Replay.TryTakeDelivery(out CaptureDelivery delivery));
        Assert.Equal((16, 84, true), (delivery.Length, delivery.MissingLength, delivery.RecordedEndOfMessage));
        Assert.Equal(Pattern(2, 4), (await replayed.ReceiveAsync()).Data);
        await replayed.FaultAsync();
        Assert.Equal(84, replayed.Replay.Statistics.MissingBytes);
    }

    [Fact]
    public async Task Replay_RealTime_KeepsTheRecordedDistances()
    {
        var clock = new VirtualClock();
        var builder = new CaptureBuilder();
        builder.Transfer(1, [1], time: 5).Transfer(2, [2], time: 15);
        await using Replayed replayed = Replayed.Open(builder, options: new CaptureReplayOptions { RealTime = true, TimeProvider = clock });

        Assert.Equal([1], (await replayed.ReceiveAsync()).Data);
        Task<(BulkInResult Result, byte[] Data)> second = replayed.ReceiveAsync();
        while (clock.ArmedTimers == 0)
        {
            await Task.Yield();
        }

        clock.Advance(TimeSpan.FromSeconds(9.999));
        Assert.False(second.IsCompleted, "ten seconds lie between the two transfers");
        clock.Advance(TimeSpan.FromSeconds(0.001));
        Assert.Equal([2], (await second).Data);
    }

    [Fact]
    public async Task Replay_DisposedInTheMiddle_GivesEveryTransferBack()
    {
        var builder = new CaptureBuilder();
        for (int i = 0; i < 100; i++)
        {
            builder.Transfer(1, [1]);
        }

        Replayed replayed = Replayed.Open(builder);
        await replayed.ReceiveAsync();
        await replayed.Queue.DisposeAsync().AsTask().WaitAsync(Bound);

        Assert.Equal(0, replayed.Queue.Statistics.Leaked);
    }

    [Fact]
    public async Task Dispose_AfterTheEndAndTwice_DoesNothingMore()
    {
        await using Replayed replayed = Replayed.Open(new CaptureBuilder().Transfer(1, [1]));
        await replayed.DrainAsync();

        replayed.Replay.Dispose();
        replayed.Replay.Dispose();

        Assert.Equal(CaptureReplayEnd.RecordingEnded, replayed.Replay.End);
        Assert.Null(replayed.Replay.Failure);
    }

    [Fact]
    public void Open_SeveralDevices_TakesTheFirstOrTheOneAskedFor()
    {
        var builder = new CaptureBuilder();
        builder.Transfer(1, [1]);
        builder.Device = 11;
        builder.Transfer(2, [2]);

        using CaptureReplay first = CaptureReplay.Open(builder.ToStream());
        using CaptureReplay second = CaptureReplay.Open(builder.ToStream(), new CaptureReplayOptions { Bus = 2, Device = 11 });

        Assert.Equal((10, 11), (first.Source.Device, second.Source.Device));
        Assert.Equal(2, first.Endpoints.Count);
    }

    [Fact]
    public void Open_NoSuchEndpoint_SaysWhatTheCaptureHas()
    {
        BulkInException exception = Assert.Throws<BulkInException>(
            () => CaptureReplay.Open(new CaptureBuilder().Transfer(1, [1]).ToStream(), new CaptureReplayOptions { Endpoint = 0x85 }));

        Assert.Equal(BulkInError.NotFound, exception.Error);
        Assert.Contains("0x85", exception.Message, StringComparison.Ordinal);
        Assert.Contains("bus 2 device 10 endpoint 0x84 (1 completions)", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_Truncated_FailsBeforeAnythingIsReplayed()
    {
        byte[] file = new CaptureBuilder().Transfer(1, [1]).Transfer(2, [2]).ToArray();

        Assert.True(Assert.Throws<CaptureFormatException>(() => CaptureReplay.Open(new MemoryStream(file[..^1]))).IsTruncation);
    }

    [Theory]
    [InlineData(0x04)]
    [InlineData(0x80)]
    [InlineData(0x90)]
    public void Open_NoInEndpoint_Throws(byte endpoint) =>
        Assert.Throws<ArgumentOutOfRangeException>(
            () => CaptureReplay.Open(new CaptureBuilder().ToStream(), new CaptureReplayOptions { Endpoint = endpoint }));

    [Fact]
    public async Task Replay_DamagedAnywhere_AlwaysEnds()
    {
        var builder = new CaptureBuilder();
        for (uint urb = 0; urb < 8; urb++)
        {
            builder.Transfer(urb % 3, new byte[urb * 11], urb == 4 ? -32 : 0, time: urb);
        }

        byte[] file = builder.Transfer(1, [], -108).ToArray();
        var random = new Random(189);
        for (int i = 0; i < 150; i++)
        {
            byte[] damaged = [.. file];
            for (int flips = 1 + random.Next(3); flips > 0; flips--)
            {
                damaged[24 + random.Next(file.Length - 24)] = (byte)random.Next(256);
            }

            Replayed replayed;
            try
            {
                replayed = Replayed.Open(damaged);
            }
            catch (Exception exception) when (exception is CaptureFormatException or BulkInException)
            {
                continue;
            }

            await using (replayed)
            {
                await replayed.DrainAsync();
                CaptureReplayStatistics figures = replayed.Replay.Statistics;
                Assert.Equal(
                    figures.Completions,
                    figures.Delivered + figures.CancelledByHost + figures.Interrupted + figures.Unplugged + figures.Faults);
                Assert.Equal(replayed.Replay.Source.Completions, figures.Completions);
            }
        }
    }

    private static byte[] Pattern(int seed, int length)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    /// <summary>A replay with a real queue on it; every wait is bounded.</summary>
    private sealed class Replayed(CaptureReplay replay, BulkInQueue queue) : IAsyncDisposable
    {
        private readonly byte[] _buffer = new byte[queue.BufferLength];

        public CaptureReplay Replay { get; } = replay;

        public BulkInQueue Queue { get; } = queue;

        public static Replayed Open(CaptureBuilder builder, int? bufferLength = null, CaptureReplayOptions? options = null) =>
            Open(builder.ToArray(), bufferLength, options);

        public static Replayed Open(byte[] file, int? bufferLength = null, CaptureReplayOptions? options = null)
        {
            CaptureReplay replay = CaptureReplay.Open(new MemoryStream(file), (options ?? new CaptureReplayOptions()) with { NoteDeliveries = true });
            BulkInQueue queue = BulkInQueue.Open(
                replay,
                new BulkInQueueOptions { Depth = 4, BufferLength = bufferLength ?? replay.RecommendedBufferLength, RecoveryBackoff = TimeSpan.Zero, RecoveryAttempts = 1000 });
            return new Replayed(replay, queue);
        }

        public async Task<(BulkInResult Result, byte[] Data)> ReceiveAsync()
        {
            BulkInResult result = await Queue.RecvAsync(_buffer, Bound);
            Assert.True(result.IsData, $"nothing came within {Bound}: {Replay.Statistics}, {Queue.Statistics}");
            return (result, _buffer[..result.Length]);
        }

        public Task<BulkInException> FaultAsync() => Assert.ThrowsAsync<BulkInException>(ReceiveAsync);

        public async Task DrainAsync()
        {
            while (true)
            {
                try
                {
                    await ReceiveAsync();
                }
                catch (BulkInException exception) when (exception.IsTerminal)
                {
                    return;
                }
                catch (BulkInException)
                {
                    // A recorded fault; the replay goes on.
                }
            }
        }

        public async ValueTask DisposeAsync() => await Queue.DisposeAsync().AsTask().WaitAsync(Bound);
    }
}
