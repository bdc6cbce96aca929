using System.Globalization;
using BulkIn.Bench;
using BulkIn.Bench.Perf;

// The comparison inside the guest. The host's side of it, with the options a user sees, is tests/kernel/run perf.
//   KernelPerf [--quick] [--pairs N] [--milliseconds N] [--memory device|pinned] --clock slowed|counted   compares, prints, and leaves perf.json and perf.svg in the results
//   KernelPerf --scale                                                            many queues, deep queues, idle queues: a table
//   KernelPerf --sources DEVICES ENDPOINTS sending|silent                           the devices of --scale
//   KernelPerf --worker                                                           the library's side of a pair: jobs on standard input
bool quick = false, worker = false, scale = false, pingPong = false;
int pairs = 5, milliseconds = 20;
Clock clock = Clock.Slowed;
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
        case "--ping-pong":
            pingPong = true;
            break;
        case "--sources":
            return await EndlessSources.ServeAsync(int.Parse(args[++index], CultureInfo.InvariantCulture), int.Parse(args[++index], CultureInfo.InvariantCulture), silent: args[++index] == "silent");
        case "--scale":
            scale = true;
            break;
        case "--clock":
            clock = Enum.Parse<Clock>(args[++index], ignoreCase: true);
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

// The emulated controller keeps to a speed's limit of a millisecond in each eighth of one: at high speed it moves 426 MB/s at the most, as a real SuperSpeed bus does; at SuperSpeed
// nearly 4 GB/s, as none does.
Guest.SetBusSpeed(BusSpeed.High);
if (scale)
{
    // The devices of many queues are virtual: dummy_hcd gives two endpoints of a device the same address from the eighth bulk IN endpoint on, at the latest.
    Guest.LoadModule("vhci-hcd");
    await Scale.RunAsync();
    return 0;
}

Report.PrintClock(clock);
Comparison comparison = new(new Plan(clock, quick, memory, pingPong), pairs, milliseconds);
using Contestant c = new("C", floor);
Report.PrintPace(await c.DoAsync("pace"));
using Contestant library = new("BulkInQueue", Environment.ProcessPath!, "--worker");
List<Contestant> peers = [];
string peerFolder = Path.Combine(Guest.Share, "perf", "peers");
if (File.Exists(Path.Combine(peerFolder, "gousb")))
{
    peers.Add(new Contestant("gousb", Path.Combine(peerFolder, "gousb")));
}

if (File.Exists(Path.Combine(peerFolder, "python_libusb1.py")))
{
    peers.Add(new Contestant("python-libusb1", "/usr/bin/python3", Path.Combine(peerFolder, "python_libusb1.py")));
}

await comparison.RunAsync(c, library, peers);
peers.ForEach(static peer => peer.Dispose());
await File.WriteAllBytesAsync(Path.Combine(results, "perf.json"), Report.Json(comparison, clock));
await File.WriteAllTextAsync(Path.Combine(results, "perf.svg"), RatioPicture.Draw(comparison.Cells));
Report.Print(comparison, clock);
return 0;
