using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using BulkIn.Core;

namespace BulkIn.Adapters;

/// <summary>A view as a pipe: each read leases one more transfer, behind what the parser left.</summary>
[SuppressMessage("Design", "CA1001", Justification = "A source that has no timer holds nothing, and a canceller may come at any time.")]
internal sealed class QueuePipeReader(ConsumerView view, int retained, int bufferLength) : PipeReader
{
    // Large enough that small packets share a block, whatever the buffers' length.
    private const int LeastBlockLength = 4096;

    // Guards _phase, _completed and _interrupt: everything else belongs to the one who is in a phase other than Idle, or to the parser between two of its calls.
    private readonly Lock _gate = new();
    private readonly PacketBuffer _buffer = new(retained, Math.Max(bufferLength, LeastBlockLength));

    // Cancelled to end the wait of a read, whoever wants it; what for is found out from _cancelRequested, _completed and the caller's token.
    private CancellationTokenSource _interrupt = new();
    private int _cancelRequested;
    private Phase _phase;
    private bool _completed;
    private bool _ended;

    /// <summary>Where the parser is.</summary>
    /// <remarks>
    /// <code>
    /// Idle, Tentative --ReadAsync, TryRead--> Waiting --a result--> Reading --AdvanceTo--> Advancing --> Idle
    ///                                         Waiting --a canceled result--> Tentative --AdvanceTo--> Advancing --> Idle
    ///                                         Waiting --an exception, nothing to read--> Idle
    /// </code>
    /// </remarks>
    private enum Phase
    {
        /// <summary>No read; nothing of the buffer is in the parser's hands.</summary>
        Idle = 0,

        /// <summary>A read is in progress and owns the buffer.</summary>
        Waiting,

        /// <summary>The parser has the buffer and must advance.</summary>
        Reading,

        /// <summary>As Reading, but advancing may be left out, because the result was a canceled one.</summary>
        Tentative,

        /// <summary>The parser is giving bytes back and owns the buffer.</summary>
        Advancing,
    }

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfCompleted();
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<ReadResult>(cancellationToken);
        }

        Begin();
        return TryFinish(out ReadResult result) ? new ValueTask<ReadResult>(result) : WaitAsync(cancellationToken);
    }

    public override bool TryRead(out ReadResult result)
    {
        ThrowIfCompleted();
        Begin();
        if (TryFinish(out result))
        {
            return true;
        }

        bool handedOver = false;
        try
        {
            _buffer.Trim();
            while (view.TryLease(out BulkInLease lease))
            {
                if (Take(lease))
                {
                    handedOver = true;
                    result = Finish(canceled: false);
                    return true;
                }
            }

            return false;
        }
        catch (BulkInException fault) when (fault.IsUnplug())
        {
            _ended = true;
            handedOver = true;
            result = Finish(canceled: false);
            return true;
        }
        catch (BulkInException)
        {
            _buffer.Refresh();
            throw;
        }
        finally
        {
            if (!handedOver)
            {
                End(Phase.Idle);
            }
        }
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        Phase next;
        lock (_gate)
        {
            ThrowIfCompleted();
            if (_phase is not (Phase.Reading or Phase.Tentative))
            {
                throw new InvalidOperationException("There is no read to advance: ReadAsync or TryRead comes first.");
            }

            next = _phase;
            _phase = Phase.Advancing;
        }

        try
        {
            _buffer.Advance(consumed, examined);
            next = Phase.Idle;
        }
        finally
        {
            // Completed meanwhile: the advance came first.
            _ = Leave(next);
        }
    }

    public override void CancelPendingRead()
    {
        Volatile.Write(ref _cancelRequested, 1);
        Interrupt();
    }

    public override void Complete(Exception? exception = null)
    {
        bool owned;
        lock (_gate)
        {
            if (_completed)
            {
                return;
            }

            _completed = true;
            owned = _phase is Phase.Waiting or Phase.Advancing;
        }

        // A read or an advance in progress owns the buffer: it is woken and clears up as it leaves.
        if (owned)
        {
            Interrupt();
        }
        else
        {
            Close();
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ReadResult> WaitAsync(CancellationToken cancellationToken)
    {
        bool handedOver = false;
        bool canceled = false;
        try
        {
            _buffer.Trim();
            while (true)
            {
                CancellationTokenSource interrupt = FreshInterrupt();
                using CancellationTokenRegistration registration =
                    cancellationToken.UnsafeRegister(static state => ((QueuePipeReader)state!).Interrupt(), this);
                bool done;
                try
                {
                    done = Take(await view.LeaseAsync(interrupt.Token).ConfigureAwait(false));
                }
                catch (OperationCanceledException) when (!_completed)
                {
                    cancellationToken.ThrowIfCancellationRequested();

                    // Without a request it was an interruption of an earlier read that had ended by itself: this one goes on.
                    done = canceled = Interlocked.Exchange(ref _cancelRequested, 0) != 0;
                }

                if (done)
                {
                    handedOver = true;
                    return Finish(canceled);
                }
            }
        }
        catch (BulkInException fault) when (fault.IsUnplug())
        {
            _ended = true;
            handedOver = true;
            return Finish(canceled: false);
        }
        catch (BulkInException)
        {
            _buffer.Refresh();
            throw;
        }
        finally
        {
            if (!handedOver)
            {
                End(Phase.Idle);
            }
        }
    }

    /// <summary>Keeps what a lease brings.</summary>
    /// <returns>True when the read can end: there are bytes, or the stream ended.</returns>
    private bool Take(in BulkInLease lease)
    {
        if (!lease.IsData)
        {
            _ended = lease.Status == BulkInStatus.Stopped;
            return _ended;
        }

        if (lease.Length == 0)
        {
            lease.Dispose();
            return false;
        }

        _buffer.Append(lease);
        return true;
    }

    /// <summary>Ends the read without a look at the queue, when it can.</summary>
    private bool TryFinish(out ReadResult result)
    {
        bool canceled = Interlocked.Exchange(ref _cancelRequested, 0) != 0;
        bool finished = canceled || _buffer.HasNews || _ended;
        result = finished ? Finish(canceled) : default;
        return finished;
    }

    private ReadResult Finish(bool canceled)
    {
        ReadResult result = new(_buffer.Sequence, canceled, _ended);
        End(canceled ? Phase.Tentative : Phase.Reading);
        return result;
    }

    private void Begin()
    {
        lock (_gate)
        {
            if (_phase is Phase.Waiting or Phase.Reading or Phase.Advancing)
            {
                throw new InvalidOperationException(_phase == Phase.Waiting
                    ? "A read is in progress: await it before the next."
                    : "The last read was not advanced: AdvanceTo comes before the next.");
            }

            _phase = Phase.Waiting;
        }
    }

    private void End(Phase next)
    {
        if (Leave(next))
        {
            ThrowIfCompleted();
        }
    }

    /// <summary>Gives the buffer up, and clears up after <see cref="Complete"/>.</summary>
    /// <returns>True when the reader was completed.</returns>
    private bool Leave(Phase next)
    {
        bool completed;
        lock (_gate)
        {
            completed = _completed;
            _phase = next;
        }

        if (completed)
        {
            Close();
        }

        return completed;
    }

    private void Close()
    {
        view.CountDiscarded(_buffer.Clear());
        view.Dispose();
    }

    private void Interrupt()
    {
        CancellationTokenSource interrupt;
        lock (_gate)
        {
            interrupt = _interrupt;
        }

        interrupt.Cancel();
    }

    /// <summary>A source whose cancellation concerns this wait: one cancelled for an earlier wait is replaced, unless its request still stands.</summary>
    private CancellationTokenSource FreshInterrupt()
    {
        lock (_gate)
        {
            if (_interrupt.IsCancellationRequested)
            {
                _interrupt = new CancellationTokenSource();
                if (_completed || Volatile.Read(ref _cancelRequested) != 0)
                {
                    _interrupt.Cancel();
                }
            }

            return _interrupt;
        }
    }

    private void ThrowIfCompleted()
    {
        if (_completed)
        {
            throw new InvalidOperationException("The reader was completed: there is no reading after that.");
        }
    }
}
