using ControlPlaneReader;

using var signals = new StopSignals();
try
{
    await using StandardOutput output = StandardOutput.Open();
    return await CommandLine.RunAsync(args, output, Console.Error, signals.Token);
}
catch (OutputClosedException)
{
    // Nobody reads the rest that closing the output would have written.
    return ExitCode.Done;
}
