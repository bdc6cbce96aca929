using BulkIn.Backends;
using Microsoft.Extensions.Logging.Testing;
using Xunit;

namespace BulkIn;

/// <summary>A transport that throws where its contract has it answer: what the queue promises holds all the same.</summary>
public sealed class ThrowingBackendTests : FaultTest
{
    [Theory]
    [FaultRow(73)]
    [InlineData(nameof(IBulkInBackend.Endpoint))]
    [InlineData(nameof(IBulkInBackend.Capabilities))]
    [InlineData(nameof(IBulkInBackend.AllocateBuffer))]
    public void Open_MemberThrows_ThrowsItAndDisposesOfTheBackend(string member)
    {
        Assert.Throws<InvalidDataException>(() => BulkInQueue.Open(new ThrowingBackend(Device.Backend).Throw(member), Defaults));

        Assert.True(Device.IsBackendDisposed, "The queue disposes of the backend, whatever its opening throws.");
    }

    [Fact]
    [FaultRow(73)]
    public void Open_NoTransferCreated_SaysSoAndDisposesOfTheBackend()
    {
        InvalidOperationException refused = Assert.Throws<InvalidOperationException>(() => BulkInQueue.Open(new ThrowingBackend(Device.Backend) { CreatesNothing = true }, Defaults));

        Assert.Contains(nameof(IBulkInBackend.CreateTransfer), refused.Message, StringComparison.Ordinal);
        Assert.True(Device.IsBackendDisposed, "The queue disposes of the backend.");
    }

    [Theory]
    [FaultRow(73)]
    [InlineData("Transfer.Dispose")]
    [InlineData("Buffer.Dispose")]
    [InlineData("Dispose")]
    public async Task DisposeAsync_AMemberThrows_FreesTheRestAndLogsIt(string member)
    {
        FakeLogger logger = new();
        BulkInQueue queue = BulkInQueue.Open(new ThrowingBackend(Device.Backend).Throw(member), Defaults with { Logger = logger });

        await queue.DisposeAsync().InTime();

        Assert.Equal((0, 0, true), (Device.InFlight, Device.LeakedTransfers, Device.IsBackendDisposed));
        Assert.Contains(logger.Collector.GetSnapshot(), r => r.Exception is InvalidDataException);
    }

    [Fact]
    [FaultRow(73)]
    public async Task Lease_LastReturnFreesABufferThatThrows_DoesNotThrow()
    {
        BulkInQueue queue = BulkInQueue.Open(new ThrowingBackend(Device.Backend).Throw("Buffer.Dispose", "Dispose"), Defaults);
        Device.Deliver([1]);
        BulkInLease lease = await queue.LeaseAsync().InTime();
        await queue.DisposeAsync().InTime();
        Assert.False(Device.IsBackendDisposed, "A lease still stands on it.");

        lease.Dispose();

        Assert.True(Device.IsBackendDisposed, "The last lease came back.");
    }
}
