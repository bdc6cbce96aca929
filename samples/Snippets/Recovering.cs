using BulkIn;

namespace Snippets;

/// <summary>docs/faults-and-recovery.md.</summary>
internal sealed class Recovering(BulkInQueue queue)
{
    public int Gaps { get; private set; }

    public async Task ReadAsync(LibUsbDevice device, CancellationToken stop)
    {
        byte[] buffer = new byte[queue.BufferLength];
        while (true)
        {
            try
            {
                BulkInResult result = await queue.RecvAsync(buffer, stop);
                if (!result.IsData)
                {
                    return;                                       // stopped
                }

                Handle(buffer.AsSpan(0, result.Length));
            }
            catch (BulkInException fault) when (fault.RecoversByItself)
            {
                Gaps++;                                           // data is missing here; reading goes on
            }
            catch (BulkInException fault) when (!fault.IsTerminal)
            {
                device.ClaimInterface(0);                         // put right what was taken
                await queue.RecoverAsync(stop);
            }
            catch (BulkInException)
            {
                await queue.DisposeAsync();                       // gone: wait for the device, open it again
                return;
            }
        }
    }

    public async Task ChangeSettingAsync(LibUsbDevice device, CancellationToken stop)
    {
        await queue.PauseAsync(stop);
        device.SetAlternateSetting(0, 1);
        await queue.ResumeAsync(stop);
    }

    private static void Handle(ReadOnlySpan<byte> data) => Console.WriteLine($"{data.Length} bytes");
}
