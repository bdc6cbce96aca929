namespace BulkIn.Soak;

/// <summary>
/// The consumer: receives in every way there is, pauses, recovers, disposes and opens again, and passes on what it gets to the verifier. It works on any source.
/// </summary>
internal sealed class SoakReader(IStreamSource source, MessageVerifier verifier, SoakHabits habits, int seed)
{
    // A reader that gets nothing for so long waits for something that will not come.
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(60);

    private readonly Random _random = new(seed);
    private readonly byte[] _destination = new byte[64 * 1024];
    private readonly List<BulkInLease> _leases = [];
    private long _lastArrival = TimeProvider.System.GetTimestamp();

    public long Faults { get; private set; }

    public long Openings { get; private set; }

    /// <summary>Queues that ended because their device was gone.</summary>
    public long Unplugs { get; private set; }

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
            catch (BulkInException refused)
            {
                // Unplugged while it was being opened.
                RequireNoSilence($"The device does not open: {refused.Message}");
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
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // Time is up. What the queue still holds is freed all the same.
            }
            finally
            {
                Task disposed = queue.DisposeAsync().AsTask();
                _leases.ForEach(static lease => lease.Dispose());
                _leases.Clear();
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
                if (_random.Next(habits.Reopen) == 0)
                {
                    return;
                }

                if (_random.Next(habits.Pause) == 0 && !await PauseAsync(queue, stop))
                {
                    return;
                }

                await ReceiveAsync(queue, stop);
            }
            catch (BulkInException fault) when (fault.IsTerminal)
            {
                Unplugs++;
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

            RequireNoSilence($"The queue is {queue.State}, {queue.Statistics}.");
        }
    }

    /// <summary>Pauses, and resumes. What these throw has no place among the transfers: the queue may still hold some that had arrived.</summary>
    /// <returns>False: the device is gone.</returns>
    private async Task<bool> PauseAsync(BulkInQueue queue, CancellationToken stop)
    {
        try
        {
            await queue.PauseAsync(stop);
            if (await source.ChangeWhilePausedAsync(stop))
            {
                verifier.Changed(queue.Statistics.Transfers);
            }

            await queue.ResumeAsync(stop);
            return true;
        }
        catch (BulkInException refused) when (!refused.IsTerminal)
        {
            return await RecoverAsync(queue, stop);
        }
        catch (InvalidOperationException) when (queue.State is BulkInState.Faulted or BulkInState.Gone)
        {
            // The pause met a fault, and the resume had nothing to resume. The next receive says which.
            return true;
        }
    }

    private void RequireNoSilence(string explanation)
    {
        if (TimeProvider.System.GetElapsedTime(_lastArrival) > Silence)
        {
            throw new StreamViolationException($"Nothing was received for {Silence.TotalSeconds} s. {explanation}");
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
        BulkInLease lease = await queue.LeaseAsync(TimeSpan.FromMilliseconds(1), stop);
        if (lease.IsData)
        {
            _lastArrival = TimeProvider.System.GetTimestamp();
            verifier.Receive(lease.Sequence, lease.Span, lease.IsUntrusted);
            _leases.Add(lease);
        }

        // Returned in any order, and never as many kept as there are slots: a reader that holds every buffer waits for itself.
        while (_leases.Count > Math.Min(2, queue.Depth - 1) || (_leases.Count > 0 && _random.Next(4) == 0))
        {
            int at = _random.Next(_leases.Count);
            _leases[at].Dispose();
            _leases.RemoveAt(at);
        }
    }
}
