using BulkIn;
using BulkIn.Testing;
using Xunit;

namespace DriverWithTest;

public sealed class PowerMeterTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly VirtualClock _clock = new();

    [Fact]
    public async Task ReadAsync_RecordOverTwoTransfers_IsOneSample()
    {
        using SimulatedEndpoint endpoint = NewEndpoint();
        await using PowerMeter meter = Open(endpoint);
        endpoint.Deliver([0x10, 0x27, 0, 0, 0xE8]);
        endpoint.Deliver([0x03, 0, 0]);

        Assert.Equal(new PowerSample(10_000, 1_000), await ReadAsync(meter));
    }

    [Fact]
    public async Task ReadAsync_TwoRecordsInOneTransfer_AreTwoSamples()
    {
        using SimulatedEndpoint endpoint = NewEndpoint();
        await using PowerMeter meter = Open(endpoint);
        endpoint.Deliver([1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0]);

        Assert.Equal(new PowerSample(1, 2), await ReadAsync(meter));
        Assert.Equal(new PowerSample(3, 4), await ReadAsync(meter));
    }

    [Fact]
    public async Task ReadAsync_SilentMeter_TimesOutAndTheLateRecordIsNotLost()
    {
        using SimulatedEndpoint endpoint = NewEndpoint();
        await using PowerMeter meter = Open(endpoint);
        Task<PowerSample?> read = ReadAsync(meter);
        _clock.Advance(Second);
        Assert.Null(await read);

        endpoint.Deliver([5, 0, 0, 0, 6, 0, 0, 0]);
        Assert.Equal(new PowerSample(5, 6), await ReadAsync(meter));
    }

    [Fact]
    public async Task ReadAsync_StallInsideARecord_StartsWithTheNextWholeOne()
    {
        using SimulatedEndpoint endpoint = NewEndpoint();
        await using PowerMeter meter = Open(endpoint);
        endpoint.Deliver([1, 0, 0, 0, 2]);
        endpoint.Stall();
        endpoint.Deliver([7, 0, 0, 0, 8, 0, 0, 0]);

        Assert.Equal(new PowerSample(7, 8), await ReadAsync(meter));
        Assert.Equal(1, meter.Gaps);
    }

    [Fact]
    public async Task ReadAsync_Unplugged_ThrowsDeviceGone()
    {
        using SimulatedEndpoint endpoint = NewEndpoint();
        await using PowerMeter meter = Open(endpoint);
        endpoint.Unplug();

        BulkInException gone = await Assert.ThrowsAsync<BulkInException>(() => ReadAsync(meter));

        Assert.Equal(BulkInError.DeviceGone, gone.Error);
    }

    // Declared first in each test, so disposed of last: that fails the test if the driver misused or leaked anything.
    private SimulatedEndpoint NewEndpoint() => new(new SimulatedEndpointOptions { TimeProvider = _clock });

    private PowerMeter Open(SimulatedEndpoint endpoint) => new(endpoint.OpenQueue(new BulkInQueueOptions { TimeProvider = _clock }));

    // The second is virtual; the bound is real, so that a hang fails the test.
    private static Task<PowerSample?> ReadAsync(PowerMeter meter) => meter.ReadAsync(Second).WaitAsync(TimeSpan.FromSeconds(30));
}
