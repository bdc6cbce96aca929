using Xunit;

namespace BulkIn;

// What calls of the queue end with, in the words of the model.
internal sealed partial class SequenceRun
{
    private void Same(Outcome expected, Func<Outcome> call)
    {
        Outcome actual = End(call);
        _ = _trace.Append(" -> ").Append(actual);
        Assert.Equal(expected, actual);
    }

    private async Task SameAsync(Outcome expected, Func<CancellationToken, Task> verb)
    {
        _model.Run();
        Outcome actual = await EndAsync(async () =>
        {
            try
            {
                await verb(CancellationToken.None).InTime(_limit, "the verb");
                return Outcome.Done;
            }
            catch (BulkInException failure)
            {
                return Outcome.Failed(failure.IsTerminal);
            }
        });
        _ = _trace.Append(" -> ").Append(actual);
        Assert.Equal(expected, actual);
    }

    private static Outcome End(Func<Outcome> call)
    {
        try
        {
            return call();
        }
        catch (Exception failure) when (OutcomeOf(failure) is { } outcome)
        {
            return outcome;
        }
    }

    private static async Task<Outcome> EndAsync(Func<Task<Outcome>> call)
    {
        try
        {
            return await call();
        }
        catch (Exception failure) when (OutcomeOf(failure) is { } outcome)
        {
            return outcome;
        }
    }

    private static Outcome? OutcomeOf(Exception failure) => failure switch
    {
        BulkInException fault => Outcome.Fault(fault.Error, fault.Sequence, fault.BytePosition, fault.IntactFrom, fault.RecoversByItself),
        OperationCanceledException => Outcome.Cancelled,
        ObjectDisposedException => Outcome.Disposed,
        InvalidOperationException => Outcome.Refused,
        _ => null,
    };

    private Outcome Describe(BulkInResult result, byte[] destination)
    {
        if (!result.IsData)
        {
            return result.Status == BulkInStatus.Stopped ? Outcome.Stopped : Outcome.TimedOut;
        }

        _bytesRead += result.Length;
        return Outcome.Data(destination.AsSpan(0, result.Length), result.Sequence, result.Remaining, result.EndOfMessage, result.IsUntrusted);
    }

    private Outcome Keep(BulkInLease lease)
    {
        if (!lease.IsData)
        {
            return lease.Status == BulkInStatus.Stopped ? Outcome.Stopped : Outcome.TimedOut;
        }

        _leases.Add(lease);
        _bytesRead += lease.Length;
        return Outcome.Data(lease.Span, lease.Sequence, remaining: 0, lease.EndOfMessage, lease.IsUntrusted);
    }

    // A receive that must not wait has ended when it returns.
    private Outcome Result(ValueTask<BulkInResult> receive, byte[] destination)
    {
        Assert.True(receive.IsCompleted, "A receive that may not wait waits.");
        return Describe(receive.GetAwaiter().GetResult(), destination);
    }

    private Outcome Lease(ValueTask<BulkInLease> receive)
    {
        Assert.True(receive.IsCompleted, "A receive that may not wait waits.");
        return Keep(receive.GetAwaiter().GetResult());
    }
}
