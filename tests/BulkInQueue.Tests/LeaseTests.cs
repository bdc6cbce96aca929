using Xunit;

namespace BulkIn;

public class LeaseTests : QueueTest
{
    [Fact]
    public async Task LeaseAsync_Spare_KeepsEverySlotPosted()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1, 2, 3]);

        using BulkInLease lease = await queue.LeaseAsync().InTime();

        Assert.Equal([1, 2, 3], lease.Span.ToArray());
        Assert.Equal((true, 0L, true), (lease.IsData, lease.Sequence, lease.EndOfMessage));
        Assert.Equal(4, Device.Posted);
        Assert.Equal(1, queue.Statistics.Leases);
        Assert.Equal(1, queue.Statistics.FreeBuffers);
    }

    [Fact]
    public async Task LeaseAsync_SparesUsedUp_CostsDepthUntilTheReturn()
    {
        BulkInQueue queue = Open();
        List<BulkInLease> leases = [];
        for (byte i = 0; i < 6; i++)
        {
            Device.Deliver([i]);
            leases.Add(await queue.LeaseAsync().InTime());
        }

        Assert.Equal(0, Device.Posted);
        Assert.Equal(4, queue.Statistics.Idle);
        Assert.Equal(6, queue.Statistics.Leases);
        ValueTask<BulkInResult> receive = queue.RecvAsync(Destination);

        leases[3].Dispose();
        Assert.Equal(1, Device.Posted);
        Device.Deliver([42]);
        Assert.Equal(1, (await receive.InTime()).Length);
        Assert.Equal(42, Destination[0]);

        foreach (BulkInLease lease in leases)
        {
            lease.Dispose();
        }

        Assert.Equal(4, Device.Posted);
        Assert.Equal(0, queue.Statistics.Leases);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public async Task LeaseAsync_ReturnedInAnyOrder_StreamGoesOn(int spares)
    {
        BulkInQueue queue = Open(Defaults with { Depth = 3, SpareBuffers = spares });
        byte expected = 0;
        for (byte round = 0; round < 20; round++)
        {
            Device.Deliver([round]);
            Device.Deliver([(byte)(round + 100)]);
            BulkInLease first = await queue.LeaseAsync().InTime();
            BulkInLease second = await queue.LeaseAsync().InTime();
            Assert.Equal([expected], first.Span.ToArray());
            Assert.Equal([(byte)(expected + 100)], second.Span.ToArray());
            second.Dispose();
            first.Dispose();
            expected++;
        }

        Assert.Equal((3, 0), (Device.Posted, queue.Statistics.Leases));
    }

    [Fact]
    public async Task Memory_AfterReturn_Throws()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1]);
        BulkInLease lease = await queue.LeaseAsync().InTime();
        lease.Dispose();

        Assert.Throws<ObjectDisposedException>(() => lease.Memory);
        Assert.Throws<ObjectDisposedException>(() => lease.Span.Length);
    }

    [Fact]
    public async Task Dispose_TwiceAndACopyInALaterGeneration_ReturnsOnce()
    {
        BulkInQueue queue = Open(Defaults with { Depth = 1, SpareBuffers = 0 });
        Device.Deliver([1]);
        BulkInLease first = await queue.LeaseAsync().InTime();
        BulkInLease copy = first;
        first.Dispose();
        Device.Deliver([2]);
        BulkInLease second = await queue.LeaseAsync().InTime();

        first.Dispose();
        copy.Dispose();

        Assert.Equal([2], second.Span.ToArray());
        Assert.Equal(1, queue.Statistics.Leases);
        Assert.Equal(0, Device.Posted);
        second.Dispose();
        Assert.Equal(1, Device.Posted);
    }

    [Fact]
    public async Task LeaseAsync_AfterAShortDestination_GivesTheRest()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1, 2, 3]);
        _ = await queue.RecvAsync(Destination.AsMemory(0, 1)).InTime();

        using BulkInLease lease = await queue.LeaseAsync().InTime();

        Assert.Equal([2, 3], lease.Span.ToArray());
        Assert.Equal((0L, true), (lease.Sequence, lease.EndOfMessage));
    }

    [Fact]
    public async Task Dispose_OutlivesTheQueue_LastReturnFreesTheBackend()
    {
        BulkInQueue queue = Open();
        Device.Deliver([1, 2]);
        BulkInLease lease = await queue.LeaseAsync().InTime();

        await queue.DisposeAsync().InTime();

        Assert.Equal([1, 2], lease.Span.ToArray());
        Assert.False(Device.IsBackendDisposed, "The leased memory may stand on the backend's handle.");
        lease.Dispose();
        Assert.True(Device.IsBackendDisposed, "The last return frees the backend.");
        lease.Dispose();
    }

    [Fact]
    public async Task LeaseAsync_Timeout_IsDefault()
    {
        BulkInQueue queue = Open();

        BulkInLease lease = await queue.LeaseAsync(TimeSpan.Zero).InTime();

        Assert.Equal(default, lease);
        Assert.Equal(BulkInStatus.TimedOut, lease.Status);
        Assert.True(lease.Memory.IsEmpty);
        lease.Dispose();
    }
}
