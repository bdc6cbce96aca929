using System.Diagnostics;
using BulkIn;

namespace ControlPlaneReader;

/// <summary>Reads a queue to its end: every transfer through the frame assembler, every fault reported at its place.</summary>
internal sealed class ControlPlane(BulkInQueue queue, IReport report)
{
    private readonly long _opened = Stopwatch.GetTimestamp();
    private TimeSpan _time;

    /// <summary>The frames.</summary>
    public FrameAssembler Frames { get; } = new(report);

    /// <summary>Faults met, an unplug not counted.</summary>
    public long Faults { get; private set; }

    /// <summary>Since the reading began.</summary>
    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_opened);

    /// <summary>What is known of a transfer; a replay replaces it by what the recording knows. Called once for each transfer, in order.</summary>
    public Func<BulkInResult, TransferFacts>? Facts { get; init; }

    /// <summary>True: also a fault that the queue does not recover from by itself is recovered from. For recordings, where nothing can be made worse.</summary>
    public bool AlwaysRecover { get; init; }

    /// <summary>Reads until the device is gone, the reading fails or is stopped.</summary>
    /// <exception cref="BulkInException">A fault that the queue does not recover from by itself.</exception>
    public async Task<ReadingEnd> RunAsync(CancellationToken stop)
    {
        // As long as a transfer, so that each receive is one whole transfer.
        byte[] buffer = new byte[queue.BufferLength];
        try
        {
            while (true)
            {
                try
                {
                    if (!queue.TryRecv(buffer, out BulkInResult result))
                    {
                        // Nothing is ready: show what there is, then wait. A burst is written out once.
                        report.Flush();
                        result = await queue.RecvAsync(buffer, stop);
                    }

                    if (result.Status == BulkInStatus.Stopped)
                    {
                        return ReadingEnd.Stopped;
                    }

                    if (result.IsData)
                    {
                        Take(buffer.AsSpan(0, result.Length), result);
                    }

                    // Only after the data: what was received is shown.
                    stop.ThrowIfCancellationRequested();
                }
                catch (BulkInException fault) when (fault.Error == BulkInError.DeviceGone)
                {
                    return ReadingEnd.Unplugged;
                }
                catch (BulkInException fault) when (AlwaysRecover || fault.RecoversByItself)
                {
                    Faults++;
                    Frames.Break("the endpoint failed inside this frame");
                    report.OnFault(fault, _time);
                    if (!fault.RecoversByItself)
                    {
                        await RecoverAsync(stop);
                    }
                }
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return ReadingEnd.Stopped;
        }
        finally
        {
            Frames.End();
        }
    }

    private async Task RecoverAsync(CancellationToken stop)
    {
        try
        {
            await queue.RecoverAsync(stop);
        }
        catch (BulkInException fault) when (fault.Error == BulkInError.DeviceGone)
        {
            // The next receive says so, after what had arrived.
        }
    }

    private void Take(ReadOnlySpan<byte> data, in BulkInResult result)
    {
        TransferFacts facts = Facts?.Invoke(result) ?? new TransferFacts(Stopwatch.GetElapsedTime(_opened, result.Timestamp), result.EndOfMessage);
        _time = facts.Time;
        if (result.IsUntrusted)
        {
            Frames.AddUntrusted(data, facts);
        }
        else
        {
            Frames.Add(data, facts);
        }
    }
}
