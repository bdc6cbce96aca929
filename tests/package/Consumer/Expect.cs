namespace BulkIn.Consumer;

/// <summary>The one assertion that this program needs.</summary>
internal static class Expect
{
    public static void That(bool holds, string what)
    {
        if (!holds)
        {
            throw new InvalidOperationException($"Expected {what}.");
        }
    }

    /// <summary>The call ends in a fault of the queue.</summary>
    public static async Task<BulkInException> FaultAsync(BulkInError error, Func<Task> call)
    {
        try
        {
            await call();
        }
        catch (BulkInException fault)
        {
            That(fault.Error == error, $"{error}, not {fault.Error}: {fault.Message}");
            return fault;
        }

        throw new InvalidOperationException($"Expected {error}, and nothing was thrown.");
    }
}
