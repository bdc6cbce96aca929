using BenchmarkDotNet.Running;

// dotnet run -c Release --project tests/BulkInQueue.Benchmarks -- --filter '*'
// A quick look instead of figures to quote: add --job short.
BenchmarkSwitcher.FromAssembly(typeof(BulkIn.Benchmarks.ReadyReceive).Assembly).Run(args);
