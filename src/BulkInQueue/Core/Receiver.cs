using System.Runtime.CompilerServices;

namespace BulkIn.Core;

/// <summary>
/// The one reader: guards against a second, waits, copies or leases, keeps the remainder of a transfer that did not fit.
/// </summary>
/// <remarks>Receives take the view they are made for; null is a plain call, which is refused while a view has the queue.</remarks>
internal sealed class Receiver(SlotPool pool, ReaderSignal signal, GuardedBackend backend, TimeProvider time, string name) : IDisposable
{
    private const int Free = 0;
    private const int Busy = 1;
    private const int Closed = 2;

    private readonly WaitDeadline _deadline = new(signal, time);

    // Who may touch _rest: the one who moved this from Free to Busy, or, at the end, to Closed.
    private int _user;
    private Received _rest;
    private bool _hasRest;
    private volatile bool _closing;

    // Who has the queue beyond a call. Set by the one who has _user; cleared by the holder at any time.
    private ConsumerView? _holder;

    /// <summary>The clock of timeouts.</summary>
    public TimeProvider Time => time;

    /// <summary>Gives the queue to a view until it is released.</summary>
    /// <exception cref="InvalidOperationException">Another view has it, or a receive is in progress.</exception>
    public void Claim(ConsumerView view)
    {
        Enter(view: null);
        Volatile.Write(ref _holder, view);
        Exit();
    }

    /// <summary>Takes the queue back from a view; one that does not have it changes nothing.</summary>
    public void Release(ConsumerView view) => Interlocked.CompareExchange(ref _holder, null, view);

    public void CountDiscarded(long bytes) => pool.CountDiscarded(bytes);

    /// <summary>With an empty destination it is a look: the transfer stays, as a remainder, unless it is a zero-length one.</summary>
    public ValueTask<BulkInResult> RecvAsync(Memory<byte> destination, TimeSpan timeout, CancellationToken cancellationToken, ConsumerView? view = null) =>
        ReceiveAsync<CopyOut, BulkInResult>(new CopyOut(destination), view, timeout, cancellationToken);

    public ValueTask<BulkInLease> LeaseAsync(TimeSpan timeout, CancellationToken cancellationToken, ConsumerView? view = null) =>
        ReceiveAsync<HandOut, BulkInLease>(default, view, timeout, cancellationToken);

    public BulkInLease Lease(CancellationToken cancellationToken, ConsumerView? view = null)
    {
        Enter(view);
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            TakeOutcome outcome = Take(out Received received, out Fault? fault, out Look look);
            if (outcome == TakeOutcome.Nothing)
            {
                outcome = TakeBlocking(deadline: null, look, cancellationToken, out received, out fault);
            }

            return outcome == TakeOutcome.Data ? new BulkInLease(received) : new BulkInLease(StatusOf(outcome, fault));
        }
        finally
        {
            Exit();
        }
    }

    public bool TryLease(out BulkInLease lease, ConsumerView? view = null)
    {
        Enter(view);
        try
        {
            TakeOutcome outcome = Take(out Received received, out Fault? fault, out _);
            lease = outcome == TakeOutcome.Data ? new BulkInLease(received) : new BulkInLease(StatusOf(outcome, fault));
            return outcome != TakeOutcome.Nothing;
        }
        finally
        {
            Exit();
        }
    }

    public BulkInResult Recv(Span<byte> destination, TimeSpan timeout, ConsumerView? view = null)
    {
        timeout = ReceiveTimeout.Check(timeout);
        Enter(view);
        try
        {
            TakeOutcome outcome = Take(out Received received, out Fault? fault, out Look look);
            if (outcome == TakeOutcome.Nothing && timeout != TimeSpan.Zero)
            {
                outcome = TakeBlocking(ReceiveTimeout.Deadline(timeout, time), look, CancellationToken.None, out received, out fault);
            }

            return outcome == TakeOutcome.Data ? Copy(ref received, destination) : new BulkInResult(StatusOf(outcome, fault));
        }
        finally
        {
            Exit();
        }
    }

    public bool TryRecv(Span<byte> destination, out BulkInResult result)
    {
        Enter(view: null);
        try
        {
            TakeOutcome outcome = Take(out Received received, out Fault? fault, out _);
            result = outcome == TakeOutcome.Data ? Copy(ref received, destination) : new BulkInResult(StatusOf(outcome, fault));
            return outcome != TakeOutcome.Nothing;
        }
        finally
        {
            Exit();
        }
    }

    /// <summary>Drops what is ready, up to the first undelivered fault.</summary>
    /// <returns>The bytes dropped.</returns>
    public long Discard()
    {
        Enter(view: null);
        try
        {
            long dropped = 0;
            if (_hasRest)
            {
                _hasRest = false;
                dropped += _rest.Length;
                pool.Discard(_rest);
            }

            // What completes while this runs may be new replies: no more than one turn of the queue is dropped.
            for (int turn = pool.ReadyTransfers; turn > 0 && pool.TryTakeData(out Received received); turn--)
            {
                dropped += received.Length;
                pool.Discard(received);
            }

            return dropped;
        }
        finally
        {
            Exit();
        }
    }

    /// <summary>No receive can be inside once the one that is leaves; the remainder goes back now or then.</summary>
    public void Close()
    {
        _closing = true;

        // Fence against Exit: either it sees _closing, or this exchange finds the reader gone.
        if (Interlocked.CompareExchange(ref _user, Closed, Free) == Free)
        {
            ReleaseRest();
        }

        _deadline.Dispose();
    }

    public void Dispose() => Close();

    private static string Describe(string name, ConsumerView? holder) => holder is null
        ? $"{name} has a receive in progress. One consumer at a time: await the first receive before the next, or give each consumer a queue of its own."
        : $"{name} is read by {holder.Name}. One consumer at a time: {holder.Ending} first, or give each consumer a queue of its own.";

    private ValueTask<TResult> ReceiveAsync<TShape, TResult>(TShape shape, ConsumerView? view, TimeSpan timeout, CancellationToken cancellationToken)
        where TShape : struct, IShape<TResult>
    {
        timeout = ReceiveTimeout.Check(timeout);
        Enter(view);
        bool waits = false;
        try
        {
            if (cancellationToken.IsCancellationRequested)
            {
                return ValueTask.FromCanceled<TResult>(cancellationToken);
            }

            TakeOutcome outcome = Take(out Received received, out Fault? fault, out Look look);
            if (outcome == TakeOutcome.Nothing && timeout != TimeSpan.Zero)
            {
                // The clock may be a user's, and throw.
                long? deadline = ReceiveTimeout.Deadline(timeout, time);
                waits = true;
                return WaitAndReceiveAsync<TShape, TResult>(shape, deadline, look, cancellationToken);
            }

            return outcome == TakeOutcome.Data
                ? new ValueTask<TResult>(shape.Finish(this, ref received))
                : new ValueTask<TResult>(shape.Finish(StatusOf(outcome, fault)));
        }
        catch (Exception failure) when (failure is BulkInException or ObjectDisposedException)
        {
            return ValueTask.FromException<TResult>(failure);
        }
        finally
        {
            if (!waits)
            {
                Exit();
            }
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<TResult> WaitAndReceiveAsync<TShape, TResult>(
        TShape shape,
        long? deadline,
        Look look,
        CancellationToken cancellationToken)
        where TShape : struct, IShape<TResult>
    {
        try
        {
            while (true)
            {
                signal.Arm(blocking: false);
                _deadline.Set(deadline);

                // Disposed of in the same turn: a callback that runs late is waited for, so it cannot end the next wait.
                using (cancellationToken.UnsafeRegister(static state => ((ReaderSignal)state!).Wake(WakeReason.Canceled), signal))
                {
                    pool.Await(look);
                    WakeIfClosing();
                    WakeReason reason = await signal.WaitAsync().ConfigureAwait(false);
                    if (reason == WakeReason.Canceled)
                    {
                        throw new OperationCanceledException(cancellationToken);
                    }

                    TakeOutcome outcome = Take(out Received received, out Fault? fault, out look);
                    if (outcome == TakeOutcome.Data)
                    {
                        return shape.Finish(this, ref received);
                    }

                    if (outcome != TakeOutcome.Nothing || reason == WakeReason.Timeout)
                    {
                        return shape.Finish(StatusOf(outcome, fault));
                    }
                }
            }
        }
        finally
        {
            EndWait();
            Exit();
        }
    }

    private TakeOutcome TakeBlocking(long? deadline, Look look, CancellationToken cancellationToken, out Received received, out Fault? fault)
    {
        try
        {
            // The system's clock needs no timer: the wait itself has a limit, which a starved thread pool cannot delay.
            bool ownLimit = ReferenceEquals(time, TimeProvider.System);
            while (true)
            {
                signal.Arm(blocking: true);
                _deadline.Set(ownLimit ? null : deadline);
                WakeReason reason;

                // As in the asynchronous wait: a callback that runs late is waited for.
                using (cancellationToken.UnsafeRegister(static state => ((ReaderSignal)state!).Wake(WakeReason.Canceled), signal))
                {
                    pool.Await(look);
                    WakeIfClosing();
                    reason = signal.Block(ownLimit && deadline is { } due ? Left(due) : Timeout.InfiniteTimeSpan);
                }

                if (reason == WakeReason.Canceled)
                {
                    throw new OperationCanceledException(cancellationToken);
                }

                TakeOutcome outcome = Take(out received, out fault, out look);
                if (outcome != TakeOutcome.Nothing || (reason == WakeReason.Timeout && (!ownLimit || Left(deadline!.Value) == TimeSpan.Zero)))
                {
                    return outcome;
                }
            }
        }
        finally
        {
            EndWait();
        }
    }

    /// <summary>What is left until then, at most what one wait can take (24 days).</summary>
    private TimeSpan Left(long due)
    {
        TimeSpan left = time.GetElapsedTime(time.GetTimestamp(), due);
        return left > TimeSpan.Zero ? TimeSpan.FromMilliseconds(Math.Min(Math.Ceiling(left.TotalMilliseconds), int.MaxValue)) : TimeSpan.Zero;
    }

    /// <summary>The close may have looked for an armed wait just before this one was armed.</summary>
    private void WakeIfClosing()
    {
        if (_closing)
        {
            signal.Wake(WakeReason.Closed);
        }
    }

    private void EndWait()
    {
        signal.Abandon();
        pool.EndAwait();
        _deadline.Clear();
    }

    private TakeOutcome Take(out Received received, out Fault? fault, out Look look)
    {
        if (_hasRest && !_closing)
        {
            _hasRest = false;
            received = _rest;
            _rest = default;
            fault = null;
            look = default;
            return TakeOutcome.Data;
        }

        return pool.TryTake(out received, out fault, out look);
    }

    private BulkInResult Copy(ref Received received, Span<byte> destination)
    {
        int count = Math.Min(received.Length, destination.Length);
        received.Buffer.Memory.Span.Slice(received.Offset, count).CopyTo(destination);
        int remaining = received.Length - count;
        BulkInResult result = new(count, remaining, received.Sequence, received.Timestamp, received.EndOfMessage && remaining == 0, received.Untrusted);
        if (remaining == 0)
        {
            pool.Return(received.Buffer);
        }
        else
        {
            received.Offset += count;
            received.Length = remaining;
            Keep(received);
        }

        return result;
    }

    private void Keep(in Received received)
    {
        _rest = received;
        _hasRest = true;
    }

    private BulkInStatus StatusOf(TakeOutcome outcome, Fault? fault) => outcome switch
    {
        TakeOutcome.Nothing => BulkInStatus.TimedOut,
        TakeOutcome.Stopped => BulkInStatus.Stopped,
        TakeOutcome.Fault => throw fault!.ToException(backend),
        _ => throw new ObjectDisposedException(name),
    };

    private void Enter(ConsumerView? view)
    {
        int user = Interlocked.CompareExchange(ref _user, Busy, Free);
        ConsumerView? holder = Volatile.Read(ref _holder);
        switch (user)
        {
            case Free when _closing:
                Exit();
                throw new ObjectDisposedException(name);
            case Free when ReferenceEquals(holder, view):
                return;
            case Free:
                Exit();
                throw view is null ? new InvalidOperationException(Describe(name, holder)) : new ObjectDisposedException(view.Name);
            case Busy when !_closing:
                throw new InvalidOperationException(Describe(name, ReferenceEquals(holder, view) ? null : holder));
            default:
                throw new ObjectDisposedException(name);
        }
    }

    private void Exit()
    {
        // A full fence before the look at _closing: pairs with the exchange in Close.
        _ = Interlocked.Exchange(ref _user, Free);
        if (_closing && Interlocked.CompareExchange(ref _user, Closed, Free) == Free)
        {
            ReleaseRest();
        }
    }

    private void ReleaseRest()
    {
        if (_hasRest)
        {
            _hasRest = false;
            pool.Discard(_rest);
            _rest = default;
        }
    }

    /// <summary>What a receive makes of a transfer: a struct, so that each shape gets its own code and nothing is allocated.</summary>
    private interface IShape<TResult>
    {
        TResult Finish(Receiver receiver, ref Received received);

        TResult Finish(BulkInStatus status);
    }

    private readonly struct CopyOut(Memory<byte> destination) : IShape<BulkInResult>
    {
        public BulkInResult Finish(Receiver receiver, ref Received received)
        {
            Span<byte> target;
            try
            {
                target = destination.Span;
            }
            catch
            {
                // A memory manager of the caller's that was disposed of meanwhile: the data stays for the next receive.
                receiver.Keep(received);
                throw;
            }

            return receiver.Copy(ref received, target);
        }

        public BulkInResult Finish(BulkInStatus status) => new(status);
    }

    private readonly struct HandOut : IShape<BulkInLease>
    {
        public BulkInLease Finish(Receiver receiver, ref Received received) => new(received);

        public BulkInLease Finish(BulkInStatus status) => new(status);
    }
}
