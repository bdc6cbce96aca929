namespace BulkIn.Soak;

/// <summary>
/// The consumer: receives in every way there is, pauses, recovers, disposes and opens again, and passes on what it gets to the verifier. It works on any source.
/// </summary>
internal sealed class SoakReader(IStreamSource source, MessageVerifier verifier, int seed)
{
    // A reader that gets nothing for so long waits for something that will not come.
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(60);

    private readonly Random _random = new(seed);
    private readonly byte[] _destination = new byte[64 * 1024];
    private readonly Queue<BulkInLease> _leases = new();
    private long _lastArrival = TimeProvider.System.GetTimestamp();

    public long Faults { get; private set; }

    public long Openings { get; private set; }

    /// <summary>Reads until stopped.</summary>
    /// <exception cref="StreamViolationException">The library broke its promise.</exception>
    public async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            BulkInQueue queue;
            try
            {
                queue = await source.OpenAsync(stop);
            }
            catch (BulkInException)
            {
                // Unplugged between two submits of the opening.
                continue;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }

            Openings++;
            verifier.Opened(queue.Depth);
            try
            {
                await ReadAsync(queue, stop);
            }
            finally
            {
                Task disposed = queue.DisposeAsync().AsTask();
                while (_leases.TryDequeue(out BulkInLease lease))
                {
                    lease.Dispose();
                }

                await disposed.WaitAsync(Silence, CancellationToken.None);
            }

            if (queue.Statistics.Leaked > 0)
            {
                throw new StreamViolationException($"{queue.Statistics.Leaked} transfers were left behind, and none of their completions is missing.");
            }
        }
    }

    private async Task ReadAsync(BulkInQueue queue, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                switch (_random.Next(100_000))
                {
                    case 0:
                        return;
                    case < 10:
                        await queue.PauseAsync(stop);
                        await queue.ResumeAsync(stop);
                        break;
                    default:
                        await ReceiveAsync(queue, stop);
                        break;
                }
            }
            catch (BulkInException fault) when (fault.IsTerminal)
            {
                return;
            }
            catch (BulkInException fault)
            {
                Faults++;
                verifier.Fault(fault.Sequence);
                if (!fault.RecoversByItself && !await RecoverAsync(queue, stop))
                {
                    return;
                }
            }
            catch (InvalidOperationException) when (queue.State is BulkInState.Faulted or BulkInState.Gone)
            {
                // The pause met a fault, and the resume had nothing to resume. The next receive says which.
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }

            if (TimeProvider.System.GetElapsedTime(_lastArrival) > Silence)
            {
                throw new StreamViolationException($"Nothing was received for {Silence.TotalSeconds} s. The queue is {queue.State}, {queue.Statistics}.");
            }
        }
    }

    private async Task<bool> RecoverAsync(BulkInQueue queue, CancellationToken stop)
    {
        long start = TimeProvider.System.GetTimestamp();
        while (true)
        {
            await source.RestoreAsync(stop);
            try
            {
                await (queue.State == BulkInState.Paused ? queue.ResumeAsync(stop) : queue.RecoverAsync(stop));
                return true;
            }
            catch (BulkInException gone) when (gone.IsTerminal)
            {
                return false;
            }
            catch (Exception refused) when (refused is BulkInException or InvalidOperationException)
            {
                if (TimeProvider.System.GetElapsedTime(start) > Silence)
                {
                    throw new StreamViolationException($"The queue does not recover: {refused.Message}");
                }
            }
        }
    }

    private async ValueTask ReceiveAsync(BulkInQueue queue, CancellationToken stop)
    {
        int way = _random.Next(16);
        if (way == 0)
        {
            await LeaseAsync(queue, stop);
            return;
        }

        // Mostly whole transfers; sometimes pieces.
        int length = _random.Next(20) == 0 ? 1 + _random.Next(3000) : _destination.Length;
        BulkInResult result;
        switch (way)
        {
            case 1:
                using (CancellationTokenSource cancel = CancellationTokenSource.CreateLinkedTokenSource(stop))
                {
                    if (_random.Next(50) == 0)
                    {
                        cancel.CancelAfter(1);
                    }

                    try
                    {
                        result = await queue.RecvAsync(_destination.AsMemory(0, length), Silence, cancel.Token);
                    }
                    catch (OperationCanceledException) when (!stop.IsCancellationRequested)
                    {
                        return;
                    }
                }

                break;
            case 2:
                result = queue.Recv(_destination.AsSpan(0, length), TimeSpan.FromTicks(_random.Next(30_000)));
                break;
            case 3:
                _ = queue.TryRecv(_destination.AsSpan(0, length), out result);
                break;
            case 4:
                result = await queue.RecvAsync(_destination.AsMemory(0, length), TimeSpan.FromTicks(_random.Next(30_000)), stop);
                break;
            default:
                result = await queue.RecvAsync(_destination.AsMemory(0, length), Silence, stop);
                break;
        }

        if (result.IsData)
        {
            _lastArrival = TimeProvider.System.GetTimestamp();
            verifier.Receive(result.Sequence, _destination.AsSpan(0, result.Length), result.IsUntrusted);
        }
    }

    private async ValueTask LeaseAsync(BulkInQueue queue, CancellationToken stop)
    {
        if (_leases.Count > 2)
        {
            _leases.Dequeue().Dispose();
        }

        BulkInLease lease = await queue.LeaseAsync(TimeSpan.FromMilliseconds(1), stop);
        if (lease.IsData)
        {
            _lastArrival = TimeProvider.System.GetTimestamp();
            verifier.Receive(lease.Sequence, lease.Span, lease.IsUntrusted);
            _leases.Enqueue(lease);
        }

        // The newest first now and then, so that they do not come back in the order they were taken.
        if (_leases.Count > 0 && _random.Next(2) == 0)
        {
            _leases.Dequeue().Dispose();
        }
    }
}
