namespace BulkIn;

/// <summary>Finds out, by what every user can see, that the control of a queue has nothing to do.</summary>
/// <remarks>
/// A verb that changes nothing is served behind every fault latched before it, with one exception: verbs and recoveries take turns, so the first verb after a recovery comes before
/// a fault that was latched while that recovery ended. It ends beside that fault, which is handled, and counted, before the next verb. So nothing is latched at the
/// end of a verb when no fault was counted since before the verb in front of it was asked for.
/// </remarks>
internal sealed class ControlRest(BulkInQueue queue)
{
    // Far above the faults that a step or a window can bring about.
    private const int Turns = 1000;

    // Counted before the verb in front of the next one. Since the queue was opened nothing was handled, which is as good as a verb.
    private long _counted;

    /// <summary>Asks for verbs until nothing is latched, nor being handled.</summary>
    /// <param name="end">Waits for one, however it ends: where nothing runs or is paused it is refused.</param>
    /// <returns>The state at rest. A receive that goes on meanwhile may make the queue post, and so fail, again.</returns>
    public async Task<BulkInState> ReachAsync(Func<Task, Task> end)
    {
        for (int turn = 0; turn < Turns; turn++)
        {
            long before = queue.Statistics.Faults;
            await end(queue.State == BulkInState.Paused ? queue.PauseAsync() : queue.ResumeAsync());
            BulkInState state = queue.State;
            bool rests = queue.Statistics.Faults == _counted && state != BulkInState.Recovering;
            _counted = before;
            if (rests)
            {
                return state;
            }
        }

        throw new TimeoutException($"The control finds no rest: it is {queue.State}, {queue.Statistics}.");
    }
}
