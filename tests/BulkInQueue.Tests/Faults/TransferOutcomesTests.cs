using BulkIn.Backends;
using BulkIn.Core;
using Xunit;

namespace BulkIn;

public sealed class TransferOutcomesTests
{
    [Fact]
    public void Of_EachStatus_HasItsOwnCount()
    {
        Assert.Equal(
            [TransferOutcome.Data, TransferOutcome.ZeroLength, TransferOutcome.Data],
            new[]
            {
                TransferOutcomes.Of(TransferStatus.Completed, failed: false, 1),
                TransferOutcomes.Of(TransferStatus.Completed, failed: false, 0),
                TransferOutcomes.Of(TransferStatus.Cancelled, failed: false, 1),
            });
        Assert.Equal(
            [
                TransferOutcome.Stall, TransferOutcome.Error, TransferOutcome.Overflow, TransferOutcome.Cancelled, TransferOutcome.NoDevice, TransferOutcome.TimedOut,
                TransferOutcome.Other,
            ],
            new[]
            {
                TransferStatus.Stall, TransferStatus.Error, TransferStatus.Overflow, TransferStatus.Cancelled, TransferStatus.NoDevice, TransferStatus.TimedOut, (TransferStatus)99,
            }.Select(static status => TransferOutcomes.Of(status, failed: true, 1)));
    }
}
