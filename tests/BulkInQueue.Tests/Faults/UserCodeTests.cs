using System.Buffers;
using System.Collections.Concurrent;
using BulkIn.Backends;
using BulkIn.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Xunit;

namespace BulkIn;

/// <summary>Code that is not the library's: continuations, loggers, destinations and backends that misbehave.</summary>
public sealed class UserCodeTests : FaultTest
{
    [Fact]
    [FaultRow(56)]
    public async Task Continuation_Blocks_TheEventThreadAndTheQueueGoOn()
    {
        using SimulatedEndpoint device = new(EndpointOptions with { CompletionThread = CompletionThread.Dedicated });
        await using BulkInQueue queue = device.OpenQueue(Defaults);
        SimulationGate gate = new();
        string? thread = null;
        Task user = Receive();
        device.Deliver([1]);
        await gate.WhenReachedAsync();

        // The continuation blocks; completions go on being reported, and somebody else may receive.
        device.Deliver([2]);
        device.Deliver([3]);
        await device.WaitUntilAsync(d => d.Completions == 3);
        await DataAsync(queue, 2);
        await DataAsync(queue, 3);
        Assert.NotEqual("simulated event thread", thread);
        gate.Open();
        await user.InTime();

        async Task Receive()
        {
            _ = await queue.RecvAsync(new byte[8]).ConfigureAwait(false);
            thread = Thread.CurrentThread.Name;
            gate.Pass();
        }
    }

    [Fact]
    [FaultRow(56)]
    public async Task Continuation_Throws_HarmsNobodyElse()
    {
        BulkInQueue queue = Open();
        Task user = Receive();
        Device.Deliver([1]);

        await Assert.ThrowsAsync<InvalidDataException>(() => user.InTime());

        await WorksAsync(queue);

        async Task Receive()
        {
            _ = await queue.RecvAsync(new byte[8]).ConfigureAwait(false);
            throw new InvalidDataException("The user's decoder.");
        }
    }

    [Theory]
    [FaultRow(56)]
    [InlineData(CompletionThread.Caller)]
    [InlineData(CompletionThread.Dedicated)]
    public async Task Continuation_DisposesBlocking_Ends(CompletionThread completions)
    {
        using SimulatedEndpoint device = new(EndpointOptions with { CompletionThread = completions });
        BulkInQueue queue = device.OpenQueue(Defaults);
        Task user = Receive();
        device.Deliver([1]);

        await user.InTime("a dispose that blocks inside a continuation");

        Assert.True(device.IsBackendDisposed, "All was freed.");

        async Task Receive()
        {
            _ = await queue.RecvAsync(new byte[8]).ConfigureAwait(false);
#pragma warning disable VSTHRD103 // Blocking is what the test is about.
            queue.DisposeAsync().AsTask().Wait();
#pragma warning restore VSTHRD103
        }
    }

    [Fact]
    [FaultRow(56)]
    public async Task Verbs_FromAContinuation_Work()
    {
        BulkInQueue queue = Open();
        Task user = Receive();
        Device.Deliver([1]);
        await user.InTime();
        await WorksAsync(queue);

        async Task Receive()
        {
            _ = await queue.RecvAsync(new byte[8]).ConfigureAwait(false);
            await queue.PauseAsync().ConfigureAwait(false);
            await queue.ResumeAsync().ConfigureAwait(false);
        }
    }

    [Fact]
    [FaultRow(58)]
    public async Task ClearHalt_TakesSeconds_AnotherDeviceIsUnaffected()
    {
        using SimulatedEndpoint other = new(EndpointOptions);
        await using BulkInQueue unaffected = other.OpenQueue(Defaults);
        BulkInQueue slow = Open();
        Device.ClearHalts.Next(new SimulatedClearHalt { Duration = 5 * Second });
        Device.Stall();
        await FaultAsync(slow, BulkInError.Stall);

        for (byte i = 0; i < 20; i++)
        {
            other.Deliver([i]);
            await DataAsync(unaffected, i);
        }

        Assert.Equal(BulkInState.Recovering, slow.State);
        await ClockUntilAsync(() => slow.State == BulkInState.Running);
        await WorksAsync(slow);
    }

    [Fact]
    [FaultRow(72)]
    public async Task Logger_Throws_NothingChanges()
    {
        BulkInQueue queue = Open(Defaults with { Logger = new Hostile(() => throw new InvalidOperationException("The user's logger.")) });
        Device.Stall();

        await FaultAsync(queue, BulkInError.Stall);
        await WorksAsync(queue);
        Device.Unplug();
        await GoneAsync(queue);
    }

    [Fact]
    [FaultRow(72)]
    public async Task Logger_Blocks_ReceivesGoOnAndDisposeIsBounded()
    {
        using ManualResetEventSlim door = new();
        SimulationGate reached = new();
        BulkInQueue queue = Open(Manual with
        {
            Logger = new Hostile(() =>
            {
                reached.Open();
                door.Wait(TimeSpan.FromSeconds(30));
            }, skip: 1),
        });
        Device.Deliver([1]);
        Device.Stall();
        await StateAsync(queue, BulkInState.Faulted);
        await DataAsync(queue, 1);
        await FaultAsync(queue, BulkInError.Stall);

        await ClockUntilAsync(queue.DisposeAsync().AsTask());

        Device.AllowedLeaks = 6;
        Assert.Equal(BulkInState.Disposed, queue.State);
        door.Set();
    }

    [Fact]
    [FaultRow(89)]
    public async Task Logger_BlocksBeyondTheBoundOfDispose_PendingVerbsEndAllTheSame()
    {
        using ManualResetEventSlim door = new();
        SimulationGate reached = new();
        BulkInQueue queue = Open(Manual with
        {
            Logger = new Hostile(() =>
            {
                reached.Open();
                door.Wait(TimeSpan.FromSeconds(60));
            }, skip: 2),
        });
        Device.Stall();
        await StateAsync(queue, BulkInState.Faulted);
        Task served = queue.RecoverAsync();
        await UntilAsync(() => reached.IsOpen, "the message of the recovery");
        Task waiting = queue.PauseAsync();
        Device.AllowedLeaks = 6;

        await ClockUntilAsync(queue.DisposeAsync().AsTask());

        await Assert.ThrowsAsync<ObjectDisposedException>(() => served.InTime("the verb whose work is blocked"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting.InTime("the verb behind it"));
        door.Set();
    }

    [Fact]
    [FaultRow(89)]
    public async Task Logger_BlocksBeyondTheBoundOfDispose_ItIsToldWhy()
    {
        using ManualResetEventSlim door = new();
        (BulkInQueue queue, Hostile logger) = await BlockedInItsLoggerAsync(door);
        Device.AllowedLeaks = 6;

        await ClockUntilAsync(queue.DisposeAsync().AsTask());

        await UntilAsync(
            () => logger.Messages.Any(static m => m.EndsWith("the control of the queue is blocked, in the logger or in the backend", StringComparison.Ordinal)), "the message of the leak");
        door.Set();
    }

    [Fact]
    [FaultRow(89)]
    public async Task Logger_BlocksForMostOfTheBoundOfDispose_TheRestIsForTheTransfers()
    {
        using ManualResetEventSlim door = new();
        (BulkInQueue queue, _) = await BlockedInItsLoggerAsync(door);
        int cancelled = Count(SimulatedEventKind.CancelAnswered);
        Device.Cancels.Next(Lost);
        Device.AllowedLeaks = 1;
        Task disposed = queue.DisposeAsync().AsTask();
        Time.Advance(6 * Second);
        door.Set();
        await CancelledAsync(cancelled + 4);
        long start = Time.GetTimestamp();

        // Of the ten seconds four are left, from when the wait begins, which no event tells; then the clock stands, and a wait that was given more never ends.
        await ClockUntilAsync(() => disposed.IsCompleted || Time.GetElapsedTime(start) >= 8 * Second);

        await disposed.InTime("a dispose of which the control had used six seconds");
        Assert.Equal(1, queue.Statistics.Leaked);
    }

    [Fact]
    [FaultRow(87)]
    public async Task Recv_ThreadInterrupted_ThrowsThatAndTheNextWaitsWork()
    {
        BulkInQueue queue = Open();
        for (byte round = 0; round < 3; round++)
        {
            TaskCompletionSource<Exception?> ended = new();
            Thread thread = new(() =>
            {
                try
                {
                    _ = queue.Recv(new byte[8], Timeout.InfiniteTimeSpan);
                    ended.SetResult(null);
                }
                catch (ThreadInterruptedException interrupted)
                {
                    ended.SetResult(interrupted);
                }
            });
            thread.Start();
            await UntilAsync(() => thread.ThreadState.HasFlag(ThreadState.WaitSleepJoin), "the thread blocks");
            thread.Interrupt();
            Assert.NotNull(await ended.Task.InTime());

            Task<BulkInResult> next = round % 2 == 0
                ? queue.RecvAsync(Destination).AsTask()
                : Task.Factory.StartNew(() => queue.Recv(Destination, Timeout.InfiniteTimeSpan), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            Device.Deliver([round]);
            Assert.Equal((1, round), ((await next.InTime("the wait after an interrupted one")).Length, Destination[0]));
        }
    }

    [Fact]
    [FaultRow(72)]
    public async Task Logger_DisposesBlocking_EndsWithinTheBound()
    {
        BulkInQueue? queue = null;
        queue = Open(Manual with
        {
            Logger = new Hostile(
                () => queue!.DisposeAsync().AsTask().Wait(TimeSpan.FromSeconds(30)),
                skip: 1),
        });
        Device.AllowedLeaks = 6;
        Device.Stall();

        await StateAsync(queue, BulkInState.Disposed);
        await ClockUntilAsync(queue.DisposeAsync().AsTask());
    }

    [Fact]
    [FaultRow(73)]
    public async Task Backend_SubmitThrows_IsARefusedSubmit()
    {
        Hostile backend = new(Device.Backend);
        BulkInQueue queue = BulkInQueue.Open(backend, Defaults);
        Device.Deliver([1]);
        backend.SubmitThrows = 1;

        await DataAsync(queue, 1);
        await FaultAsync(queue, BulkInError.SubmitFailed);
        await WorksAsync(queue);
        await queue.DisposeAsync().InTime();
    }

    [Fact]
    [FaultRow(73)]
    public async Task Backend_SubmitThrows_TheFaultAndTheLogTellWhat()
    {
        FakeLogger logger = new();
        Hostile backend = new(Device.Backend);
        BulkInQueue queue = BulkInQueue.Open(backend, Defaults with { Logger = logger });
        Device.Deliver([1]);
        backend.SubmitThrows = 1;
        await DataAsync(queue, 1);

        BulkInException fault = await FaultAsync(queue);

        Assert.IsType<InvalidDataException>(fault.InnerException);
        FakeLogRecord said = Assert.Single(logger.Collector.GetSnapshot(), record => record.Exception is not null);
        Assert.Equal((10, LogLevel.Error), (said.Id.Id, said.Level));
        Assert.Same(fault.InnerException, said.Exception);
        await queue.DisposeAsync().InTime();
    }

    [Fact]
    [FaultRow(73)]
    public async Task Backend_SubmitThrowsBehindAFailedTransfer_TheLogTellsWhat()
    {
        FakeLogger logger = new();
        Hostile backend = new(Device.Backend);
        BulkInQueue queue = BulkInQueue.Open(backend, Manual with { Logger = logger });
        Device.Deliver([1]);
        backend.SubmitThrows = 1;

        // The submit is refused as the data is taken; before its sibling comes back, that one halts.
        Device.Hooks.Cancelling = _ =>
        {
            Device.Hooks.Cancelling = null;
            Device.Stall();
        };
        await DataAsync(queue, 1);
        BulkInException fault = await FaultAsync(queue);

        Assert.Equal(BulkInError.Stall, fault.Error);
        Assert.IsType<InvalidDataException>(fault.InnerException);
        Assert.Contains(logger.Collector.GetSnapshot(), record => record.Id.Id == 10);
        await queue.DisposeAsync().InTime();
    }

    [Fact]
    [FaultRow(73)]
    public void Backend_SubmitThrowsAtOpen_TheRefusalTellsWhat()
    {
        BulkInException refused = Assert.Throws<BulkInException>(() => BulkInQueue.Open(new Hostile(Device.Backend) { SubmitThrows = 1 }, Defaults));

        Assert.Equal(BulkInError.SubmitFailed, refused.Error);
        Assert.IsType<InvalidDataException>(refused.InnerException);
        Assert.True(Device.IsBackendDisposed, "What was posted was freed.");
    }

    [Fact]
    [FaultRow(73)]
    public async Task Backend_SubmitThrowsAtARecovery_ItsRefusalAndTheLogTellWhat()
    {
        FakeLogger logger = new();
        Hostile backend = new(Device.Backend);
        BulkInQueue queue = BulkInQueue.Open(backend, Manual with { Logger = logger });
        Device.Stall();
        await FaultAsync(queue, BulkInError.Stall);
        backend.SubmitThrows = 1;

        BulkInException refused = await Assert.ThrowsAsync<BulkInException>(() => queue.RecoverAsync().InTime());

        Assert.IsType<InvalidDataException>(refused.InnerException);
        Assert.Contains(logger.Collector.GetSnapshot(), record => record.Id.Id == 10 && record.Exception == refused.InnerException);
        await queue.RecoverAsync().InTime();
        await WorksAsync(queue);
        await queue.DisposeAsync().InTime();
    }

    [Fact]
    [FaultRow(73)]
    public async Task Backend_CancelThrows_TheOthersAreCancelledAndTheDrainIsBounded()
    {
        Hostile backend = new(Device.Backend) { CancelThrows = 1 };
        BulkInQueue queue = BulkInQueue.Open(backend, Defaults);
        Device.AllowedLeaks = 1;

        Task disposed = queue.DisposeAsync().AsTask();
        await CancelledAsync(3);
        await ClockUntilAsync(disposed);

        Assert.Equal((1, 1), (queue.Statistics.Leaked, Device.LeakedTransfers));
    }

    [Fact]
    [FaultRow(69)]
    [FaultRow(73)]
    public async Task Backend_TheCancelThatWouldAbortTheEndpointThrows_TheNextDoes()
    {
        using SimulatedEndpoint device = new(EndpointOptions with { Capabilities = BulkInCapabilities.CancelAbortsEndpoint });
        BulkInQueue queue = BulkInQueue.Open(new Hostile(device.Backend) { CancelThrows = 1 }, Defaults);

        await queue.DisposeAsync().InTime("a dispose whose first cancel threw");

        Assert.Single(device.Log.OfKind(SimulatedEventKind.CancelRequested));
        Assert.Equal((0, true), (queue.Statistics.Leaked, device.IsBackendDisposed));
    }

    [Theory]
    [FaultRow(73)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Backend_ClearHaltOrProbeThrows_IsAFaultAndNoLoop(bool clear)
    {
        Hostile backend = new(Device.Backend) { ClearThrows = clear ? 1 : 0, ProbeThrows = clear ? 0 : 1 };
        BulkInQueue queue = BulkInQueue.Open(backend, Defaults);
        Device.Deliver([1]);
        if (clear)
        {
            Device.StallOnce();
        }
        else
        {
            Device.Error();
        }

        await StateAsync(queue, BulkInState.Faulted);
        await DataAsync(queue, 1);
        await FaultAsync(queue);
        await FaultAsync(queue, BulkInError.Unknown);
        Quiet();
        await queue.RecoverAsync().InTime();
        await WorksAsync(queue);
        await queue.DisposeAsync().InTime();
    }

    [Fact]
    [FaultRow(73)]
    public async Task Backend_RemedyThrows_TheFaultIsThrownWithoutIt()
    {
        Hostile backend = new(Device.Backend) { RemedyThrows = true };
        BulkInQueue queue = BulkInQueue.Open(backend, Manual);
        Device.Deliver([1]);
        Device.Stall();

        await DataAsync(queue, 1);
        BulkInException fault = await FaultAsync(queue);
        Assert.Equal((BulkInError.Stall, 1L), (fault.Error, fault.Sequence));
        Device.ClearHalts.Next(new SimulatedClearHalt { Answer = Of(BackendStatus.Pipe) });
        BulkInException refused = await Assert.ThrowsAsync<BulkInException>(() => queue.RecoverAsync().InTime());
        Assert.Equal(BulkInError.Stall, refused.Error);

        await queue.RecoverAsync().InTime();
        await WorksAsync(queue);
        await queue.DisposeAsync().InTime();
    }

    [Fact]
    [FaultRow(73)]
    public void Backend_RemedyThrowsAtOpen_TheRefusalIsThrownWithoutIt()
    {
        Device.Submits.Next(Of(BackendStatus.Io));

        BulkInException refused = Assert.Throws<BulkInException>(() => BulkInQueue.Open(new Hostile(Device.Backend) { RemedyThrows = true }, Defaults));

        Assert.Equal(BulkInError.SubmitFailed, refused.Error);
        Assert.True(Device.IsBackendDisposed, "What was posted was freed.");
    }

    [Fact]
    [FaultRow(73)]
    public async Task Backend_IsClosedThrows_TheWatchdogGoesOn()
    {
        using SimulatedEndpoint device = new(EndpointOptions with { Capabilities = BulkInCapabilities.OwnerMayClose });
        Hostile backend = new(device.Backend) { IsClosedThrows = 2 };
        BulkInQueue queue = BulkInQueue.Open(backend, Defaults);
        Time.Advance(2 * Second);
        device.Deliver([1]);
        await DataAsync(queue, 1);

        device.CloseHandle();
        await ClockUntilAsync(() => queue.State == BulkInState.Gone);

        await FaultAsync(queue, BulkInError.HandleClosed);
        backend.IsClosedThrows = 1;
        await queue.DisposeAsync().InTime();
        device.AllowedLeaks = 4;
    }

    [Fact]
    [FaultRow(73)]
    public async Task Backend_IsClosedThrows_IsLoggedOnceAndCountsAsOpen()
    {
        using SimulatedEndpoint device = new(EndpointOptions with { Capabilities = BulkInCapabilities.OwnerMayClose });
        FakeLogger logger = new();
        Hostile backend = new(device.Backend) { IsClosedThrows = int.MaxValue };
        BulkInQueue queue = BulkInQueue.Open(backend, Defaults with { Logger = logger });

        // Each look is half a second after the one before.
        for (int look = 0; look < 4; look++)
        {
            int left = backend.IsClosedThrows;
            await ClockUntilAsync(() => backend.IsClosedThrows < left);
        }

        await UntilAsync(() => logger.Collector.GetSnapshot().Any(record => record.Id.Id == 9), "the message");
        device.Deliver([1]);
        await DataAsync(queue, 1);
        await queue.DisposeAsync().InTime();

        FakeLogRecord said = Assert.Single(logger.Collector.GetSnapshot(), record => record.Id.Id == 9);
        Assert.Equal(LogLevel.Warning, said.Level);
        Assert.IsType<InvalidDataException>(said.Exception);
    }

    [Theory]
    [FaultRow(77)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Destination_Throws_TheDataStaysForTheNextReceive(bool waits)
    {
        BulkInQueue queue = Open();
        using Revoked revoked = new();
        Memory<byte> destination = revoked.Memory;
        if (!waits)
        {
            Device.Deliver([1, 2, 3]);
        }

        // The destination is checked on the way in, and taken away while the receive waits.
        ValueTask<BulkInResult> pending = waits ? queue.RecvAsync(destination) : default;
        revoked.Revoke(after: waits ? 0 : 1);
        Task<BulkInResult> receive = waits ? pending.AsTask() : Task.Run(async () => await queue.RecvAsync(destination));
        if (waits)
        {
            Device.Deliver([1, 2, 3]);
        }

        await Assert.ThrowsAsync<InvalidDataException>(() => receive.InTime());
        await DataAsync(queue, 1, 2, 3);
        await WorksAsync(queue);
    }

    [Fact]
    [FaultRow(80)]
    public async Task Verb_FailsAfterItsWaitWasCancelled_IsNoUnobservedException()
    {
        List<Exception> unobserved = [];
        void Collect(object? sender, UnobservedTaskExceptionEventArgs e)
        {
            lock (unobserved)
            {
                unobserved.AddRange(e.Exception.InnerExceptions.Where(x => x is BulkInException));
            }
        }

        BulkInQueue queue = Open(Manual);
        Device.Stall();
        await StateAsync(queue, BulkInState.Faulted);
        TaskScheduler.UnobservedTaskException += Collect;
        try
        {
            await AbandonAsync();
            GC.Collect();
            GC.WaitForPendingFinalizers();
            GC.Collect();
        }
        finally
        {
            TaskScheduler.UnobservedTaskException -= Collect;
        }

        Assert.Empty(unobserved);
        Assert.Equal(BulkInState.Faulted, queue.State);

        async Task AbandonAsync()
        {
            SimulationGate gate = new();
            Device.ClearHalts.Next(new SimulatedClearHalt { Gate = gate, Answer = Of(BackendStatus.Pipe) });
            using CancellationTokenSource cancel = new();
            Task recover = queue.RecoverAsync(cancel.Token);
            await gate.WhenReachedAsync();
            await cancel.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => recover.InTime());
            gate.Open();
            await StateAsync(queue, BulkInState.Faulted);

            // The next verb is served after the abandoned one ended.
            await Assert.ThrowsAsync<InvalidOperationException>(() => queue.ResumeAsync().InTime());
        }
    }

    /// <summary>A queue whose control stands in the user's logger, with the message that it recovered, until the door opens.</summary>
    private async Task<(BulkInQueue Queue, Hostile Logger)> BlockedInItsLoggerAsync(ManualResetEventSlim door)
    {
        Hostile logger = null!;
        logger = new Hostile(() =>
        {
            if (logger.Messages.Last().Contains("recovered", StringComparison.Ordinal))
            {
                door.Wait(TimeSpan.FromSeconds(60));
            }
        });
        BulkInQueue queue = Open(Manual with { Logger = logger, DisposeTimeout = 10 * Second });
        Device.Stall();
        await StateAsync(queue, BulkInState.Faulted);
        _ = queue.RecoverAsync();
        await UntilAsync(() => logger.Messages.Any(static m => m.Contains("recovered", StringComparison.Ordinal)), "the message of the recovery");
        return (queue, logger);
    }

    /// <summary>A user's object that misbehaves: as a logger it does something at each message, as a backend it throws where told to.</summary>
    private sealed class Hostile : ILogger, IBulkInBackend
    {
        private readonly IBulkInBackend _inner;
        private readonly Action? _onLog;
        private int _skip;

        public Hostile(Action onLog, int skip = 0)
        {
            _inner = null!;
            _onLog = onLog;
            _skip = skip;
        }

        public Hostile(IBulkInBackend inner) => _inner = inner;

        public ConcurrentQueue<string> Messages { get; } = [];

        public int SubmitThrows { get; set; }

        public int CancelThrows { get; set; }

        public int ClearThrows { get; set; }

        public int ProbeThrows { get; set; }

        public int IsClosedThrows { get; set; }

        public bool RemedyThrows { get; init; }

        public BulkInEndpoint Endpoint => _inner.Endpoint;

        public BulkInCapabilities Capabilities => _inner.Capabilities;

        public bool IsClosed => IsClosedThrows-- > 0 ? throw new InvalidDataException("The user's backend.") : _inner.IsClosed;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            Messages.Enqueue(formatter(state, exception));
            if (--_skip < 0)
            {
                _onLog!();
            }
        }

        public TransferBuffer? AllocateBuffer(int length) => _inner.AllocateBuffer(length);

        public IBulkInTransfer CreateTransfer(ITransferCompletion completion) => new Transfer(this, _inner.CreateTransfer(completion));

        public ValueTask<BackendResult> ClearHaltAsync() => ClearThrows-- > 0 ? throw new InvalidDataException("The user's backend.") : _inner.ClearHaltAsync();

        public ValueTask<DevicePresence> ProbeAsync(TimeSpan bound) => ProbeThrows-- > 0 ? throw new InvalidDataException("The user's backend.") : _inner.ProbeAsync(bound);

        public string? GetRemedy(BulkInError reported, BackendResult result) => RemedyThrows ? throw new InvalidDataException("The user's backend.") : null;

        public void Dispose() => _inner.Dispose();

        private sealed class Transfer(Hostile backend, IBulkInTransfer inner) : IBulkInTransfer
        {
            public BackendResult Submit(TransferBuffer buffer) => backend.SubmitThrows-- > 0 ? throw new InvalidDataException("The user's backend.") : inner.Submit(buffer);

            public BackendResult Cancel() => backend.CancelThrows-- > 0 ? throw new InvalidDataException("The user's backend.") : inner.Cancel();

            public void Dispose() => inner.Dispose();
        }
    }

    /// <summary>Memory that its owner takes back.</summary>
    private sealed class Revoked : MemoryManager<byte>
    {
        private readonly byte[] _bytes = new byte[16];
        private int _left = int.MaxValue;

        public void Revoke(int after) => _left = after;

        public override Span<byte> GetSpan() => _left-- > 0 ? _bytes : throw new InvalidDataException("The memory was taken back.");

        public override MemoryHandle Pin(int elementIndex = 0) => default;

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
