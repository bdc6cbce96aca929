using Xunit;

namespace BulkIn;

public sealed class MixedFaultTests : FaultTest
{
    [Fact]
    [FaultRow(64)]
    public async Task RecvAsync_NumberedDataAmongFaults_EveryGapIsCoveredByAFault()
    {
        BulkInQueue queue = Open(Defaults with { RecoveryBackoff = TimeSpan.Zero, RecoveryAttempts = 1000 });
        Random random = new(64);
        int sent = 0;
        int next = 0;
        BulkInException? fault = null;
        int gaps = 0;
        for (int step = 0; step < 1000; step++)
        {
            switch (random.Next(8))
            {
                case 0:
                    Device.StallOnce();
                    break;
                case 1 when Device.Posted > 0:
                    // With something posted nothing waits in the device, so this number is lost on the bus where the transfer fails.
                    Device.Fail(Backends.TransferStatus.Error);
                    sent++;
                    break;
                default:
                    Device.Deliver(BitConverter.GetBytes(sent++));
                    break;
            }

            if (random.Next(3) == 0)
            {
                do
                {
                    await ReadAllAsync();
                    await Task.Yield();
                }
                while (Device.Posted == 0);
            }
        }

        Device.Deliver(BitConverter.GetBytes(sent));
        while (next <= sent)
        {
            await ReadAllAsync();
            await Task.Yield();
        }

        Assert.True(gaps > 20, $"Only {gaps} gaps: this tested nothing.");

        async Task ReadAllAsync()
        {
            try
            {
                while (true)
                {
                    BulkInResult result = await queue.RecvAsync(Destination, TimeSpan.Zero).InTime();
                    if (!result.IsData)
                    {
                        return;
                    }

                    int number = BitConverter.ToInt32(Destination);
                    Assert.InRange(number, next, sent);

                    // A generation of failures is one fault, at the first of them, which says how far behind it the last of them is.
                    bool isCovered = fault is not null && result.Sequence >= fault.Sequence && result.Sequence <= fault.IntactFrom;
                    Assert.True(number == next || isCovered, $"{next} to {number - 1} are missing, and no fault says so.");
                    gaps += number == next ? 0 : 1;
                    next = number + 1;
                }
            }
            catch (BulkInException reported)
            {
                Assert.True(reported.RecoversByItself, reported.Message);
                fault = reported;
            }
        }
    }
}
