using System.Globalization;
using BulkIn.Bench;
using BulkIn.Bench.Perf;

// The comparison inside the guest. The host's side of it, with the options a user sees, is tests/kernel/run perf.
//   KernelPerf [--quick] [--pairs N] [--milliseconds N] [--memory device|pinned] [--one-cpu]   compares, prints, and leaves perf.json and perf.svg in the results
//   KernelPerf --worker                                                           the library's side of a pair: jobs on standard input
bool quick = false, worker = false, oneCpu = false;
int pairs = 5, milliseconds = 700;
string? memory = null;
string results = Path.Combine(Guest.Share, "results");
string floor = Path.Combine(Guest.Share, "perf", "floor");
for (int index = 0; index < args.Length; index++)
{
    switch (args[index])
    {
        case "--quick":
            quick = true;
            break;
        case "--worker":
            worker = true;
            break;
        case "--one-cpu":
            oneCpu = true;
            break;
        case "--pairs":
            pairs = int.Parse(args[++index], CultureInfo.InvariantCulture);
            break;
        case "--milliseconds":
            milliseconds = int.Parse(args[++index], CultureInfo.InvariantCulture);
            break;
        case "--memory":
            memory = args[++index];
            break;
        default:
            await Console.Error.WriteLineAsync($"KernelPerf: what is '{args[index]}'?");
            return 2;
    }
}

if (worker)
{
    return await LibraryWorker.RunAsync();
}

// Deep queues of long buffers need more than the 16 MiB that usbfs grants by default.
await File.WriteAllTextAsync("/sys/module/usbcore/parameters/usbfs_memory_mb", "1024");
Guest.SetBusSpeed(BusSpeed.Super);

Comparison comparison = new(new Plan(quick, memory), pairs, milliseconds);
using Contestant c = new("C", oneCpu, floor);
using Contestant library = new("BulkInQueue", oneCpu, Environment.ProcessPath!, "--worker");
await comparison.RunAsync(c, library);
await File.WriteAllBytesAsync(Path.Combine(results, "perf.json"), Report.Json(comparison));
await File.WriteAllTextAsync(Path.Combine(results, "perf.svg"), RatioPicture.Draw(comparison.Cells));
Report.Print(comparison);
return 0;
