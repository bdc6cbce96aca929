using BulkIn.Backends;
using Xunit;

namespace BulkIn.Tests.LibUsb;

/// <summary>Keeps what a transfer reported.</summary>
internal sealed class Recorder : ITransferCompletion
{
    private readonly SemaphoreSlim _reported = new(0);

    public List<(TransferStatus Status, int Length, int Native)> Reports { get; } = [];

    public void Complete(TransferStatus status, int actualLength, int nativeStatus)
    {
        lock (Reports)
        {
            Reports.Add((status, actualLength, nativeStatus));
        }

        _reported.Release();
    }

    public (TransferStatus Status, int Length, int Native) WaitForReport()
    {
        Assert.True(_reported.Wait(TimeSpan.FromSeconds(20)), "The transfer's completion should have been reported within 20 s.");
        lock (Reports)
        {
            return Reports[^1];
        }
    }
}
