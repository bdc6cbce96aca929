namespace BulkIn.Testing;

/// <summary>
/// A device with two pipes that depend on each other: every OUT message is answered by replies on IN, the FIFO for replies is finite, and while it is full
/// OUT is NAKed. It is the shape of a dock's control plane, and the reason why a bulk IN endpoint must never go un-posted.
/// </summary>
/// <remarks>
/// <para>The host's OUT side is <see cref="WriteAsync(ReadOnlyMemory{byte}, TimeSpan, CancellationToken)"/>; its IN side is <see cref="Endpoint"/>, read by a
/// <see cref="BulkInQueue"/> or, for comparison, by a <see cref="OneAtATimeReader"/>. Time is that of the endpoint's
/// <see cref="SimulatedEndpointOptions.TimeProvider"/>; with a <see cref="VirtualClock"/> nothing depends on the machine's speed.</para>
/// <para>Thread-safe. Dispose of it last: it disposes of, and so verifies, the endpoint.</para>
/// </remarks>
public sealed class SimulatedDock : IDisposable
{
    // Guards the fields below. Order: this lock is never held while a verb of the endpoint or a completion source is called.
    private readonly Lock _sync = new();
    private readonly LinkedList<PendingOut> _outs = new();
    private readonly Queue<ReadOnlyMemory<byte>> _produced = new();
    private readonly List<ITimer> _timers = [];
    private long _written;
    private long _accepted;
    private long _repliesProduced;
    private bool _isMoving;
    private bool _mustLookAgain;
    private bool _isDisposed;

    /// <summary>Creates a dock that is attached and idle.</summary>
    /// <param name="options">How; default the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public SimulatedDock(SimulatedDockOptions? options = null)
    {
        Options = options ?? new SimulatedDockOptions();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Options.FifoReplies, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(Options.ReplyDelay, TimeSpan.Zero, nameof(options));
        if (Options.FifoBytes is { } bytes)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes, nameof(options));
        }

        ArgumentNullException.ThrowIfNull(Options.Replies, nameof(options));
        if (Options.Endpoint.FifoCapacity is not null)
        {
            throw new ArgumentException("The dock limits its FIFO itself: set FifoReplies and FifoBytes, not the endpoint's FifoCapacity.", nameof(options));
        }

        Endpoint = new SimulatedEndpoint(Options.Endpoint) { Drained = Move };
    }

    /// <summary>The options it was created with.</summary>
    public SimulatedDockOptions Options { get; }

    /// <summary>The IN endpoint: open the queue on its backend; its verbs inject faults.</summary>
    public SimulatedEndpoint Endpoint { get; }

    /// <summary>OUT messages that the dock accepted.</summary>
    public long OutsAccepted => Read(static d => d._accepted);

    /// <summary>Replies made so far, unasked ones included.</summary>
    public long RepliesProduced => Read(static d => d._repliesProduced);

    /// <summary>Replies whose last byte went into a transfer.</summary>
    public long RepliesDelivered => Endpoint.MessagesTaken;

    /// <summary>For tests: the window between asking the endpoint and acting on its answer. No lock is held.</summary>
    internal Action? Looked { get; set; }

    /// <summary>IN transfers on the bus, over time: one entry for each change that the endpoint's record still holds.</summary>
    public IReadOnlyList<(TimeSpan Time, int Posted)> DepthHistory => Endpoint.GetDepthHistory();

    /// <summary>Writes an OUT message and waits for as long as the dock NAKs it.</summary>
    /// <param name="message">The bytes; copied.</param>
    /// <param name="cancellationToken">Withdraws the message if it is not accepted yet.</param>
    /// <returns>A task that ends when the dock accepted the message.</returns>
    /// <exception cref="IOException">The dock is, or was meanwhile, unplugged.</exception>
    public Task WriteAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken = default) =>
        WriteAsync(message, Timeout.InfiniteTimeSpan, cancellationToken);

    /// <summary>Writes an OUT message; OUT messages are accepted in the order written.</summary>
    /// <param name="message">The bytes; copied.</param>
    /// <param name="timeout">For how long the host lets the dock NAK it, or <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <param name="cancellationToken">Withdraws the message if it is not accepted yet.</param>
    /// <returns>True when the dock accepted the message; false when it was still NAKed at the end of the timeout, and withdrawn.</returns>
    /// <exception cref="IOException">The dock is, or was meanwhile, unplugged.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled before the message was accepted.</exception>
    /// <exception cref="ObjectDisposedException">The dock is disposed of.</exception>
    public async Task<bool> WriteAsync(ReadOnlyMemory<byte> message, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        PendingOut pending;
        LinkedListNode<PendingOut> place;
        lock (_sync)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            pending = new PendingOut(++_written);
            place = _outs.AddLast(pending);
        }

        // The user's function runs here, on the writer's thread, and not later inside a Submit of the queue.
        byte[] copy = message.ToArray();
        IReadOnlyList<ReadOnlyMemory<byte>> replies;
        try
        {
            replies = Options.Replies(pending.Number, copy);
        }
        catch
        {
            Withdraw(place);
            throw;
        }

        lock (_sync)
        {
            pending.Replies = replies;
        }

        Move();
        try
        {
            await pending.Accepted.Task.WaitAsync(timeout, Options.Endpoint.TimeProvider, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException)
        {
            return !Withdraw(place);
        }
        catch (OperationCanceledException)
        {
            if (!Withdraw(place))
            {
                return true;
            }

            throw;
        }
    }

    /// <summary>The dock sends something unasked: status, heartbeat, trace. It waits its turn in the FIFO.</summary>
    /// <param name="message">The bytes; copied.</param>
    /// <exception cref="ObjectDisposedException">The dock is disposed of.</exception>
    public void Push(ReadOnlySpan<byte> message)
    {
        lock (_sync)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            _produced.Enqueue(message.ToArray());
            _repliesProduced++;
        }

        Move();
    }

    /// <summary>Says who waits for whom.</summary>
    /// <returns>The diagnosis of this moment.</returns>
    public SimulatedDockDiagnosis Diagnose()
    {
        int posted = Endpoint.Posted;
        int replies = Endpoint.WaitingMessages;
        int bytes = Endpoint.WaitingBytes;
        lock (_sync)
        {
            return new SimulatedDockDiagnosis(_outs.First?.Value.Number, replies, Options.FifoReplies, bytes, _produced.Count, posted);
        }
    }

    /// <summary>Ends the simulation and verifies the endpoint. Idempotent.</summary>
    /// <exception cref="SimulationMisuseException">The code under test broke the contract of the backend, or leaked.</exception>
    public void Dispose()
    {
        ITimer[] timers;
        lock (_sync)
        {
            _isDisposed = true;
            timers = [.. _timers];
            _timers.Clear();
        }

        foreach (ITimer timer in timers)
        {
            timer.Dispose();
        }

        Endpoint.Dispose();
    }

    // Moves replies into the FIFO and accepts OUT messages until nothing can move. One thread at a time; one that comes meanwhile makes it look again.
    private void Move()
    {
        lock (_sync)
        {
            if (_isMoving)
            {
                _mustLookAgain = true;
                return;
            }

            _isMoving = true;
        }

        try
        {
            MoveAll();
        }
        catch
        {
            // A hook of the endpoint threw: the next call goes on with what is left.
            lock (_sync)
            {
                _isMoving = false;
            }

            throw;
        }
    }

    private void MoveAll()
    {
        while (true)
        {
            // Before the endpoint is asked: what changes after the asking must make this thread look again, or replies stay behind for ever.
            lock (_sync)
            {
                _mustLookAgain = false;
            }

            bool isUnplugged = Endpoint.IsUnplugged;
            int waitingReplies = Endpoint.WaitingMessages;
            int waitingBytes = Endpoint.WaitingBytes;
            Looked?.Invoke();
            ReadOnlyMemory<byte>? reply = null;
            PendingOut? taken = null;
            lock (_sync)
            {
                if (_isDisposed)
                {
                    _isMoving = false;
                    return;
                }

                if (isUnplugged)
                {
                    _produced.Clear();
                    if (_outs.First is { } orphan)
                    {
                        taken = orphan.Value;
                        _outs.RemoveFirst();
                    }
                }
                else if (_produced.Count > 0)
                {
                    if (HasRoom(waitingReplies, waitingBytes, _produced.Peek().Length))
                    {
                        reply = _produced.Dequeue();
                    }
                }
                else if (_outs.First is { Value.Replies: not null } first && HasRoom(waitingReplies, waitingBytes, 1))
                {
                    taken = first.Value;
                    _outs.RemoveFirst();
                    _accepted++;
                }
            }

            if (reply is { } bytes)
            {
                try
                {
                    Endpoint.Deliver(bytes.Span);
                }
                catch (InvalidOperationException) when (Endpoint.IsUnplugged || Endpoint.IsHandleClosed)
                {
                    // It happened just now: the reply goes nowhere.
                }
            }
            else if (taken is not null && isUnplugged)
            {
                taken.Accepted.TrySetException(new IOException($"The dock was unplugged before it accepted OUT {taken.Number}."));
            }
            else if (taken is not null)
            {
                Answer(taken.Replies!);
                taken.Accepted.TrySetResult();
            }
            else
            {
                lock (_sync)
                {
                    if (!_mustLookAgain)
                    {
                        _isMoving = false;
                        return;
                    }
                }
            }
        }
    }

    private void Answer(IReadOnlyList<ReadOnlyMemory<byte>> replies)
    {
        if (replies.Count == 0)
        {
            return;
        }

        if (Options.ReplyDelay == TimeSpan.Zero)
        {
            Produce(replies);
            return;
        }

        // Created stopped and started only once the list holds it, so that its callback always finds it there.
        ITimer? timer = null;
        timer = Options.Endpoint.TimeProvider.CreateTimer(
            _ =>
            {
                lock (_sync)
                {
                    _timers.Remove(timer!);
                }

                timer!.Dispose();
                Produce(replies);
                Move();
            },
            state: null,
            Timeout.InfiniteTimeSpan,
            Timeout.InfiniteTimeSpan);
        lock (_sync)
        {
            _timers.Add(timer);
        }

        timer.Change(Options.ReplyDelay, Timeout.InfiniteTimeSpan);
    }

    private void Produce(IReadOnlyList<ReadOnlyMemory<byte>> replies)
    {
        lock (_sync)
        {
            foreach (ReadOnlyMemory<byte> reply in replies)
            {
                _produced.Enqueue(reply);
                _repliesProduced++;
            }
        }
    }

    private bool HasRoom(int waitingReplies, int waitingBytes, int length) =>
        waitingReplies < Options.FifoReplies
        && (Options.FifoBytes is not { } limit || waitingBytes == 0 || waitingBytes + (long)length <= limit);

    // False when it was accepted before.
    private bool Withdraw(LinkedListNode<PendingOut> place)
    {
        bool isWaiting;
        lock (_sync)
        {
            isWaiting = place.List is not null;
            if (isWaiting)
            {
                _outs.Remove(place);
            }
        }

        // Somebody behind it may be next.
        Move();
        return isWaiting;
    }

    private long Read(Func<SimulatedDock, long> read)
    {
        lock (_sync)
        {
            return read(this);
        }
    }

    private sealed class PendingOut(long number)
    {
        internal long Number { get; } = number;

        /// <summary>Null until the reply function returned; the OUT is not offered before.</summary>
        internal IReadOnlyList<ReadOnlyMemory<byte>>? Replies { get; set; }

        internal TaskCompletionSource Accepted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
