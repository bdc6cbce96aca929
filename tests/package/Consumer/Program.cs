using BulkIn;
using BulkIn.Testing;

// What a driver and its unit test need of the packages: receive, time out, recover, unplug, dispose, and libusb itself.
using SimulatedEndpoint device = new();
await using (BulkInQueue queue = device.OpenQueue(new BulkInQueueOptions { Depth = 4, BufferLength = 1024 }))
{
    byte[] destination = new byte[1024];
    device.Deliver([1, 2, 3]);
    BulkInResult data = await queue.RecvAsync(destination, TimeSpan.FromSeconds(10));
    Require(data is { IsData: true, Length: 3, EndOfMessage: true } && destination is [1, 2, 3, ..], $"data, not {data}");

    BulkInResult nothing = await queue.RecvAsync(destination, TimeSpan.FromMilliseconds(1));
    Require(nothing.Status == BulkInStatus.TimedOut, $"a timeout, not {nothing}");

    device.Deliver([4]);
    using (BulkInLease lease = await queue.LeaseAsync())
    {
        Require(lease.Span is [4], "the lease's byte");
    }

    device.Stall();
    await ExpectAsync(BulkInError.Stall);
    device.Deliver([5]);
    Require((await queue.RecvAsync(destination)).Length == 1, "data after the recovery");
    device.Unplug();
    await ExpectAsync(BulkInError.DeviceGone);

    async Task ExpectAsync(BulkInError error)
    {
        try
        {
            BulkInResult result = await queue.RecvAsync(destination, TimeSpan.FromSeconds(10));
            Require(false, $"{error}, not {result}");
        }
        catch (BulkInException fault)
        {
            Require(fault.Error == error, $"{error}, not {fault.Error}");
        }
    }
}

Console.WriteLine($"{LibUsbDevice.List().Count} USB devices, {device.Completions} simulated transfers: the packages work.");

static void Require(bool holds, string what)
{
    if (!holds)
    {
        Console.Error.WriteLine($"Expected {what}.");
        Environment.Exit(1);
    }
}
