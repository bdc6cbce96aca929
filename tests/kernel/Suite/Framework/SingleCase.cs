namespace BulkIn.Bench;

/// <summary>Runs one case in this process: exit code 0 is a pass, 1 a failure explained on standard error.</summary>
internal static class SingleCase
{
#pragma warning disable CA1031 // A case may fail in any way; this is where failing becomes a verdict.
    public static async Task<int> RunAsync(BenchCase each, CaseContext context)
    {
        try
        {
            await each.Body(context);
            return 0;
        }
        catch (CaseFailedException exception)
        {
            await Console.Error.WriteLineAsync(exception.Message);
            return 1;
        }
        catch (Exception exception)
        {
            await Console.Error.WriteLineAsync(exception.ToString());
            return 1;
        }
    }
#pragma warning restore CA1031
}
