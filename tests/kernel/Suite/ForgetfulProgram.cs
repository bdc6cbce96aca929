using System.Runtime.CompilerServices;

namespace BulkIn.Bench;

/// <summary>A program that opens a device and a queue, disposes of nothing, and ends: in a process of its own, whose end is what is looked at.</summary>
internal static class ForgetfulProgram
{
    private static BulkInQueue? s_queue;

    /// <summary>Runs it.</summary>
    /// <param name="way">How it ends: <c>returns</c> from Main with a receive pending and leases out; <c>exits</c> on another thread while Main blocks in a receive;
    /// <c>collected</c>, its objects dropped and finalized first.</param>
    /// <param name="busPath">Where the device is.</param>
    /// <param name="endpoint">Its bulk IN endpoint.</param>
    public static async Task<int> RunAsync(string way, string busPath, byte endpoint)
    {
        switch (way)
        {
            case "returns":
                s_queue = Open(busPath, endpoint);
                Console.WriteLine((await s_queue.LeaseAsync(CaseContext.Patience)).Length);
                _ = s_queue.RecvAsync(new byte[s_queue.BufferLength]).AsTask();
                return 0;
            case "exits":
                s_queue = Open(busPath, endpoint);
                _ = Task.Delay(TimeSpan.FromMilliseconds(200)).ContinueWith(_ => Environment.Exit(0), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
                return ReceiveForEver(s_queue);
            default:
                await DropAsync(busPath, endpoint);
                GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
                GC.WaitForPendingFinalizers();
                GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
                Console.WriteLine(ProcessResources.Now());
                return 0;
        }
    }

    private static int ReceiveForEver(BulkInQueue queue)
    {
        byte[] buffer = new byte[queue.BufferLength];
        while (queue.Recv(buffer, Timeout.InfiniteTimeSpan).IsData)
        {
        }

        return 1;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task DropAsync(string busPath, byte endpoint)
    {
        BulkInQueue queue = Open(busPath, endpoint);
        _ = await queue.RecvAsync(new byte[queue.BufferLength], CaseContext.Patience);
    }

    private static BulkInQueue Open(string busPath, byte endpoint)
    {
        LibUsbDevice device = LibUsbDevice.Open(busPath);
        device.ClaimInterface(0);
        return device.OpenBulkInQueue(endpoint, depth: 8, Rig.BufferLength);
    }
}
