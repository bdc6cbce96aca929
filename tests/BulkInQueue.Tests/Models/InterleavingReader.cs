using System.Collections.Concurrent;
using Xunit;

namespace BulkIn;

/// <summary>
/// Everybody who receives from the queue of an <see cref="InterleavingRun"/>: a receive that is in progress while things happen, and those that find out what is left. Keeps
/// what they got: the transfer with the number n holds the byte n.
/// </summary>
/// <param name="queue">Where from.</param>
/// <param name="window">Where somebody stands.</param>
/// <param name="reading">How the receive in progress receives.</param>
/// <param name="gated">Where to, when it is to stand in its copy.</param>
/// <param name="hasRivals">Others receive in the window, too.</param>
internal sealed class InterleavingReader(BulkInQueue queue, Window window, Reading reading, GatedMemory gated, bool hasRivals)
{
    /// <summary>How long a receive waits.</summary>
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private readonly ConcurrentQueue<(long Sequence, int Number)> _received = new();
    private readonly ConcurrentQueue<BulkInException> _thrown = new();
    private readonly ConcurrentQueue<BulkInLease> _leases = new();

    /// <summary>The receive in progress: how it ends. Null before it began and once it was seen to have ended.</summary>
    public Task<string>? Pending { get; set; }

    /// <summary>How many transfers were received.</summary>
    public int Received => _received.Count;

    /// <summary>Begins to read one transfer, as the documentation says one should: a fault that the queue recovers from is no end.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        byte[] bytes = new byte[16];
        switch (reading)
        {
            case Reading.Awaiting when window == Window.Copying:
                Pending = ReadAsync(async () => Take(await queue.RecvAsync(gated.Memory, Timeout, cancellationToken), gated.Bytes));
                break;
            case Reading.Awaiting:
                Pending = ReadAsync(async () => Take(await queue.RecvAsync(bytes, Timeout, cancellationToken), bytes));
                break;
            case Reading.Leasing:
                Pending = ReadAsync(async () => Take(await queue.LeaseAsync(Timeout, cancellationToken)));
                break;
            case Reading.Blocking:
                TaskCompletionSource<Thread> started = new(TaskCreationOptions.RunContinuationsAsynchronously);
                Pending = Task.Factory.StartNew(
                    () =>
                    {
                        started.SetResult(Thread.CurrentThread);
                        return ReadAsync(() => Task.FromResult(Take(queue.Recv(bytes, Timeout), bytes)));
                    },
                    CancellationToken.None,
                    TaskCreationOptions.LongRunning,
                    TaskScheduler.Default).Unwrap();
                (await started.Task).UntilBlocked();
                break;
            default:
                break;
        }
    }

    /// <summary>Receives what is ready.</summary>
    /// <param name="mayBeRefused">Another receive may be in progress.</param>
    /// <returns>False: nothing more can come now.</returns>
    public bool ReceiveNow(bool mayBeRefused)
    {
        byte[] bytes = new byte[16];
        try
        {
            return queue.TryRecv(bytes, out BulkInResult result) && Take(result, bytes) == "data";
        }
        catch (BulkInException fault)
        {
            _thrown.Enqueue(fault);
            return queue.State switch
            {
                BulkInState.Faulted => false,
                BulkInState.Gone => !fault.IsTerminal,
                _ => true,
            };
        }
        catch (ObjectDisposedException)
        {
            Assert.Equal(BulkInState.Disposed, queue.State);
            return false;
        }
        catch (InvalidOperationException) when (mayBeRefused)
        {
            // A second receive at once is refused and harms nobody.
            return false;
        }
    }

    public void ReturnLeases()
    {
        while (_leases.TryDequeue(out BulkInLease lease))
        {
            lease.Dispose();
        }
    }

    /// <summary>In order, and each once.</summary>
    public void VerifyOrder()
    {
        List<(long Sequence, int Number)> received = [.. _received.Order()];
        for (int i = 0; i < received.Count; i++)
        {
            Assert.Equal((i, i), received[i]);
        }
    }

    /// <summary>Each generation was thrown once, or until it was recovered from; the last of them may have become DeviceGone.</summary>
    public void VerifyFaults()
    {
        bool isGone = _thrown.Any(static f => f.IsTerminal);
        int once = _thrown.Count(static f => f.RecoversByItself);
        int again = _thrown.Where(static f => f is { RecoversByItself: false, IsTerminal: false }).DistinctBy(static f => (f.Error, f.Sequence)).Count();
        long faults = queue.Statistics.Faults;
        Assert.True(
            once + again <= faults && once + again >= faults - (isGone ? 1 : 0),
            $"{faults} faults, but thrown were: {string.Join("; ", _thrown.Select(static f => f.Message))}");
    }

    private async Task<string> ReadAsync(Func<Task<string>> receive)
    {
        long start = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                return await receive();
            }
            catch (BulkInException fault)
            {
                _thrown.Enqueue(fault);
                if (!fault.RecoversByItself)
                {
                    return "fault";
                }
            }
            catch (OperationCanceledException)
            {
                return "cancelled";
            }
            catch (ObjectDisposedException)
            {
                return "disposed";
            }
            catch (InvalidOperationException) when (hasRivals && TimeProvider.System.GetElapsedTime(start) < Bounded.Limit)
            {
                // Between a fault and this receive a rival came first. It does not wait, so it is out again soon.
                _ = Thread.Yield();
            }
        }
    }

    private string Take(BulkInResult result, byte[] destination)
    {
        if (!result.IsData)
        {
            return result.Status == BulkInStatus.Stopped ? "stopped" : "timed out";
        }

        Assert.Equal((1, 0, true), (result.Length, result.Remaining, result.EndOfMessage));
        _received.Enqueue((result.Sequence, destination[0]));
        return "data";
    }

    private string Take(BulkInLease lease)
    {
        if (!lease.IsData)
        {
            return lease.Status == BulkInStatus.Stopped ? "stopped" : "timed out";
        }

        Assert.Equal((1, true), (lease.Length, lease.EndOfMessage));
        _received.Enqueue((lease.Sequence, lease.Span[0]));
        _leases.Enqueue(lease);
        return "data";
    }
}
