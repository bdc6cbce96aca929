using BenchmarkDotNet.Running;
using BulkIn.Benchmarks;

// dotnet run -c Release --project tests/BulkInQueue.Benchmarks -- --filter '*'
// A quick look instead of figures to quote: add --job short.
// dotnet run -c Release --project tests/BulkInQueue.Benchmarks -- telemetry     what telemetry costs a receive: half a minute
if (args is ["telemetry"])
{
    await TelemetryCost.RunAsync();
    return;
}

BenchmarkSwitcher.FromAssembly(typeof(ReadyReceive).Assembly).Run(args);
