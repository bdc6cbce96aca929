using System.Buffers.Binary;
using BulkIn;
using BulkIn.Testing;

// A handshake that writes everything before it reads anything, with a device that stops accepting OUT while its replies are not taken. The queue alone absorbs
// depth x buffer length; the pump goes on taking replies, on its own thread, for as long as the writes last. Runs without hardware.
const int Commands = 100;
using SimulatedDock dock = new();
await using BulkInQueue queue = BulkInQueue.Open(dock.Endpoint.Backend, new BulkInQueueOptions { Depth = 4, BufferLength = 1024 });

int withoutPump = await WriteAllAsync(dock, Commands, patience: TimeSpan.FromSeconds(1));
Console.WriteLine($"Nobody reads:     {withoutPump,3} of {Commands} commands accepted, then the device waits for its replies to be taken.");
queue.Discard();

await using BulkInPump pump = queue.StartPump(capacity: 2 * Commands);
int withPump = await WriteAllAsync(dock, Commands, patience: TimeSpan.FromSeconds(30));
Console.WriteLine($"The pump drains:  {withPump,3} of {Commands} commands accepted.");

// Now the driver has time to read. The replies of the first attempt that came after the discard are among them.
int replies = 0;
long last = 0;
while (last < dock.OutsAccepted)
{
    using BulkInLease reply = await pump.Reader.ReadAsync();
    last = BinaryPrimitives.ReadInt64LittleEndian(reply.Span);
    replies++;
}

Console.WriteLine($"The driver reads: {replies,3} replies, the last to command {last}; {pump.Dropped} dropped.");
return withoutPump < Commands && withPump == Commands && replies >= Commands ? 0 : 1;

// On a real device this is LibUsbDevice.WriteAsync, or whatever the driver writes with.
static async Task<int> WriteAllAsync(SimulatedDock dock, int commands, TimeSpan patience)
{
    byte[] command = new byte[64];
    for (int i = 0; i < commands; i++)
    {
        if (!await dock.WriteAsync(command, patience))
        {
            return i;
        }
    }

    return commands;
}
