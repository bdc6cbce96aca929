using BulkIn.DeviceScript;

namespace BulkIn.Bench;

/// <summary>A reader that goes on after faults and remembers what it got: the data's numbers, in order, and the faults, each at its place.</summary>
/// <param name="queue">From which.</param>
/// <param name="rig">Whose observer tells what became of what does not arrive; null without one.</param>
internal sealed class FaultCollector(BulkInQueue queue, Rig? rig = null)
{
    private readonly byte[] _buffer = new byte[queue.BufferLength];

    /// <summary>The transfers' numbers, in the order received; -1 for one too short to tell.</summary>
    public List<long> Numbers { get; } = [];

    /// <summary>The faults, each with the count of transfers received before it.</summary>
    public List<(int After, BulkInException Fault)> Faults { get; } = [];

    /// <summary>Receives until so many transfers have arrived altogether.</summary>
    public async Task ReceiveAsync(int transfers)
    {
        while (Numbers.Count < transfers)
        {
            bool goesOn = await ReceiveOneAsync() || Faults is [.., (_, { RecoversByItself: true })];
            CaseContext.Require(goesOn, $"after {Numbers.Count} transfers the queue stopped: {Describe()}; {SequencedReader.Situation(queue, rig)}");
        }
    }

    /// <summary>Receives until the first fault.</summary>
    public async Task ReceiveToAFaultAsync()
    {
        while (Faults.Count == 0)
        {
            await ReceiveOneAsync();
        }
    }

    /// <summary>Receives until a fault that the queue does not recover from by itself.</summary>
    public async Task<BulkInException> ReceiveToTheEndAsync()
    {
        while (true)
        {
            if (!await ReceiveOneAsync() && !Faults[^1].Fault.RecoversByItself)
            {
                return Faults[^1].Fault;
            }
        }
    }

    /// <summary>One receive.</summary>
    /// <returns>True for data, false for a fault.</returns>
    public async Task<bool> ReceiveOneAsync()
    {
        try
        {
            BulkInResult result = await queue.RecvAsync(_buffer, CaseContext.Patience);
            CaseContext.Require(result.IsData, $"nothing came within {CaseContext.Patience.TotalSeconds:0} s after {Describe()}: {SequencedReader.Situation(queue, rig)}");
            Numbers.Add(SequencedPayload.Read(_buffer.AsSpan(0, result.Length)));
            return true;
        }
        catch (BulkInException fault)
        {
            Faults.Add((Numbers.Count, fault));
            return false;
        }
    }

    /// <summary>Fails unless the transfers received are numbers 0, 1, 2, … without a gap.</summary>
    public void RequireUnbroken()
    {
        for (int index = 0; index < Numbers.Count; index++)
        {
            CaseContext.Require(Numbers[index] == index, $"the transfer received at place {index} is the one the device sent at place {Numbers[index]}");
        }
    }

    /// <summary>What happened, in words.</summary>
    public string Describe() => $"{Numbers.Count} transfers and {Faults.Count} faults{string.Concat(Faults.Select(fault => $", {fault.Fault.Error} after {fault.After}"))}";
}
