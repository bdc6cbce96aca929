using System.Runtime.InteropServices;
using BulkIn;

// Reads the control endpoint of a DisplayLink D6000 dock until Ctrl-C or the unplug.
using CancellationTokenSource stopSource = new();
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
{
    context.Cancel = true;
    stopSource.Cancel();
});

try
{
    await ReadAsync(stopSource.Token);
    return 0;
}
catch (OperationCanceledException)
{
    return 0;
}
catch (Exception failure) when (failure is BulkInException or DllNotFoundException)
{
    await Console.Error.WriteLineAsync(failure.Message);
    return 1;
}

static async Task ReadAsync(CancellationToken stop)
{
    await using LibUsbDevice device = LibUsbDevice.Open(0x17e9, 0x6006);
    device.ClaimInterface(0);
    await using BulkInQueue queue = device.OpenBulkInQueue(0x84, depth: 8, bufferLength: 16 * 1024);
    byte[] buffer = new byte[queue.BufferLength];
    while (true)
    {
        BulkInResult result = await queue.RecvAsync(buffer, TimeSpan.FromSeconds(1), stop);
        if (result.IsData)
        {
            Handle(buffer.AsSpan(0, result.Length), result.EndOfMessage);
        }
    }
}

static void Handle(ReadOnlySpan<byte> data, bool endOfMessage) =>
    Console.WriteLine($"{data.Length,6} bytes {(endOfMessage ? "end " : "more")} {Convert.ToHexString(data[..Math.Min(data.Length, 32)])}");
