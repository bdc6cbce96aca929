using BulkIn;
using BulkIn.Consumer;

// What a driver and its unit test need of the packages: every way to read on the simulated endpoint, faults, dispose, the companions, and libusb itself;
// with --device BUS-PATH, every way to read on a real one.
if (args is ["--device", string busPath])
{
    await OnDevice.RunAsync(busPath);
    return 0;
}

(string Name, Func<Task> Use)[] uses =
[
    ("RecvAsync, Recv, TryRecv, Discard", Receiving.RunAsync),
    ("LeaseAsync", Leasing.RunAsync),
    ("ReadAllAsync", Enumerating.RunAsync),
    ("AsPipeReader", Piping.RunAsync),
    ("AsStream", Streaming.RunAsync),
    ("ReadMessageAsync", Messaging.RunAsync),
    ("StartPump", Pumping.RunAsync),
    ("faults, recovery, telemetry", Faults.RunAsync),
    ("dock, capture replay, a backend of one's own", Companions.RunAsync),
];
foreach ((string name, Func<Task> use) in uses)
{
    try
    {
        await use().WaitAsync(TimeSpan.FromSeconds(60));
        Console.WriteLine($"  ok      {name}");
    }
    catch (Exception failure)
    {
        Console.Error.WriteLine($"  FAILED  {name}: {failure}");
        return 1;
    }
}

Console.WriteLine($"{LibUsbDevice.List().Count} USB devices through libusb; all {uses.Length} uses of the packages work.");
return 0;
