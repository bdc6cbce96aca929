using BulkIn.Testing;
using Xunit;

namespace BulkIn;

/// <summary>Every verb in every state, as the documentation of <see cref="BulkInState"/> and of the verbs has it.</summary>
public sealed class StateTableTests : FaultTest
{
    public enum Verb
    {
        Receive,
        Recover,
        Pause,
        Resume,
        Stop,
        Dispose,
    }

    public enum Outcome
    {
        Done,
        Waits,
        StoppedResult,
        Fault,
        Gone,
        InvalidOperation,
        ObjectDisposed,
    }

    public static TheoryData<BulkInState, Verb, Outcome, BulkInState> Table => new()
    {
        { BulkInState.Running, Verb.Receive, Outcome.Waits, BulkInState.Running },
        { BulkInState.Running, Verb.Recover, Outcome.Done, BulkInState.Running },
        { BulkInState.Running, Verb.Pause, Outcome.Done, BulkInState.Paused },
        { BulkInState.Running, Verb.Resume, Outcome.Done, BulkInState.Running },
        { BulkInState.Running, Verb.Stop, Outcome.Done, BulkInState.Stopped },
        { BulkInState.Running, Verb.Dispose, Outcome.Done, BulkInState.Disposed },

        { BulkInState.Recovering, Verb.Receive, Outcome.Fault, BulkInState.Running },
        { BulkInState.Recovering, Verb.Recover, Outcome.Done, BulkInState.Running },
        { BulkInState.Recovering, Verb.Pause, Outcome.Done, BulkInState.Paused },
        { BulkInState.Recovering, Verb.Resume, Outcome.Done, BulkInState.Running },
        { BulkInState.Recovering, Verb.Stop, Outcome.Done, BulkInState.Stopped },
        { BulkInState.Recovering, Verb.Dispose, Outcome.Done, BulkInState.Disposed },

        { BulkInState.Faulted, Verb.Receive, Outcome.Fault, BulkInState.Faulted },
        { BulkInState.Faulted, Verb.Recover, Outcome.Done, BulkInState.Running },
        { BulkInState.Faulted, Verb.Pause, Outcome.Done, BulkInState.Paused },
        { BulkInState.Faulted, Verb.Resume, Outcome.InvalidOperation, BulkInState.Faulted },
        { BulkInState.Faulted, Verb.Stop, Outcome.Done, BulkInState.Stopped },
        { BulkInState.Faulted, Verb.Dispose, Outcome.Done, BulkInState.Disposed },

        { BulkInState.Paused, Verb.Receive, Outcome.Waits, BulkInState.Paused },
        { BulkInState.Paused, Verb.Recover, Outcome.InvalidOperation, BulkInState.Paused },
        { BulkInState.Paused, Verb.Pause, Outcome.Done, BulkInState.Paused },
        { BulkInState.Paused, Verb.Resume, Outcome.Done, BulkInState.Running },
        { BulkInState.Paused, Verb.Stop, Outcome.Done, BulkInState.Stopped },
        { BulkInState.Paused, Verb.Dispose, Outcome.Done, BulkInState.Disposed },

        { BulkInState.Stopped, Verb.Receive, Outcome.StoppedResult, BulkInState.Stopped },
        { BulkInState.Stopped, Verb.Recover, Outcome.InvalidOperation, BulkInState.Stopped },
        { BulkInState.Stopped, Verb.Pause, Outcome.InvalidOperation, BulkInState.Stopped },
        { BulkInState.Stopped, Verb.Resume, Outcome.InvalidOperation, BulkInState.Stopped },
        { BulkInState.Stopped, Verb.Stop, Outcome.Done, BulkInState.Stopped },
        { BulkInState.Stopped, Verb.Dispose, Outcome.Done, BulkInState.Disposed },

        { BulkInState.Gone, Verb.Receive, Outcome.Gone, BulkInState.Gone },
        { BulkInState.Gone, Verb.Recover, Outcome.Gone, BulkInState.Gone },
        { BulkInState.Gone, Verb.Pause, Outcome.Gone, BulkInState.Gone },
        { BulkInState.Gone, Verb.Resume, Outcome.Gone, BulkInState.Gone },
        { BulkInState.Gone, Verb.Stop, Outcome.Done, BulkInState.Stopped },
        { BulkInState.Gone, Verb.Dispose, Outcome.Done, BulkInState.Disposed },

        { BulkInState.Disposed, Verb.Receive, Outcome.ObjectDisposed, BulkInState.Disposed },
        { BulkInState.Disposed, Verb.Recover, Outcome.ObjectDisposed, BulkInState.Disposed },
        { BulkInState.Disposed, Verb.Pause, Outcome.ObjectDisposed, BulkInState.Disposed },
        { BulkInState.Disposed, Verb.Resume, Outcome.ObjectDisposed, BulkInState.Disposed },
        { BulkInState.Disposed, Verb.Stop, Outcome.ObjectDisposed, BulkInState.Disposed },
        { BulkInState.Disposed, Verb.Dispose, Outcome.Done, BulkInState.Disposed },
    };

    [Theory]
    [FaultRow(78)]
    [MemberData(nameof(Table))]
    public async Task Verb_InState_DoesWhatTheTableSays(BulkInState state, Verb verb, Outcome expected, BulkInState after)
    {
        SimulationGate gate = new();
        BulkInQueue queue = await InStateAsync(state, gate);
        bool hasData = state is not (BulkInState.Disposed or BulkInState.Faulted or BulkInState.Recovering);
        if (verb == Verb.Receive && hasData)
        {
            // What arrived before comes first, in every state.
            await DataAsync(queue, 1);
        }

        Task call = Call(queue, verb);
        if (state == BulkInState.Recovering)
        {
            if (verb is Verb.Stop)
            {
                await call.InTime("a stop, which does not wait for the recovery");
            }
            else if (verb != Verb.Receive)
            {
                Assert.False(call.IsCompleted, "It comes after the recovery, or, for dispose, waits for the request that uses the device.");
            }

            gate.Open();
        }

        if (expected == Outcome.Waits)
        {
            Assert.False(call.IsCompleted, "Nothing is there to be received.");
            if (state == BulkInState.Paused)
            {
                await queue.ResumeAsync().InTime();
                after = BulkInState.Running;
            }

            Device.Deliver([2]);
            await call.InTime();
        }
        else
        {
            Assert.Equal(expected, await OutcomeAsync(call, queue));
        }

        await StateAsync(queue, after);
        gate.Open();
    }

    [Fact]
    [FaultRow(78)]
    public void Table_EachPair_IsThere() => Assert.Equal(
        (from state in Enum.GetValues<BulkInState>() from verb in Enum.GetValues<Verb>() select (state, verb)).Order(),
        Table.Select(row => ((BulkInState)row[0], (Verb)row[1])).Order());

    private async Task<BulkInQueue> InStateAsync(BulkInState state, SimulationGate gate)
    {
        bool fails = state is BulkInState.Faulted or BulkInState.Recovering;
        BulkInQueue queue = Open(state == BulkInState.Faulted ? Manual : Defaults);
        if (!fails)
        {
            Device.Deliver([1]);
        }

        switch (state)
        {
            case BulkInState.Recovering:
                Device.ClearHalts.Next(new SimulatedClearHalt { Gate = gate });
                Device.Stall();
                await gate.WhenReachedAsync();
                break;
            case BulkInState.Faulted:
                Device.Stall();
                break;
            case BulkInState.Paused:
                await queue.PauseAsync().InTime();
                break;
            case BulkInState.Stopped:
                await queue.StopAsync().InTime();
                break;
            case BulkInState.Gone:
                Device.Unplug();
                break;
            case BulkInState.Disposed:
                await queue.DisposeAsync().InTime();
                break;
            default:
                break;
        }

        await StateAsync(queue, state);
        return queue;
    }

    private Task Call(BulkInQueue queue, Verb verb) => Capture(() => verb switch
    {
        Verb.Receive => queue.RecvAsync(Destination).AsTask(),
        Verb.Recover => queue.RecoverAsync(),
        Verb.Pause => queue.PauseAsync(),
        Verb.Resume => queue.ResumeAsync(),
        Verb.Stop => queue.StopAsync(),
        _ => queue.DisposeAsync().AsTask(),
    });

    private static Task Capture(Func<Task> call)
    {
        try
        {
            return call();
        }
        catch (ObjectDisposedException refused)
        {
            return Task.FromException(refused);
        }
    }

    private static async Task<Outcome> OutcomeAsync(Task call, BulkInQueue queue)
    {
        try
        {
            await call.InTime();
        }
        catch (BulkInException fault)
        {
            return fault.Error == BulkInError.DeviceGone ? Outcome.Gone : Outcome.Fault;
        }
        catch (ObjectDisposedException)
        {
            return Outcome.ObjectDisposed;
        }
        catch (InvalidOperationException)
        {
            Assert.NotEqual(BulkInState.Disposed, queue.State);
            return Outcome.InvalidOperation;
        }

        return call is Task<BulkInResult> { Result.Status: BulkInStatus.Stopped } ? Outcome.StoppedResult : Outcome.Done;
    }
}
