using BulkIn.Backends;
using Xunit;

namespace BulkIn.Tests.LibUsb;

/// <summary>Keeps what a transfer reported.</summary>
internal sealed class Recorder : ITransferCompletion
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

    public List<(TransferStatus Status, int Length, int Native)> Reports { get; } = [];

    public void Complete(TransferStatus status, int actualLength, int nativeStatus)
    {
        lock (Reports)
        {
            Reports.Add((status, actualLength, nativeStatus));
            Monitor.PulseAll(Reports);
        }
    }

    public (TransferStatus Status, int Length, int Native) WaitForReport()
    {
        lock (Reports)
        {
            if (Reports.Count == 0)
            {
                _ = Monitor.Wait(Reports, Bound);
            }

            Assert.True(Reports.Count > 0, "The transfer's completion should have been reported within 20 s.");
            return Reports[^1];
        }
    }
}
