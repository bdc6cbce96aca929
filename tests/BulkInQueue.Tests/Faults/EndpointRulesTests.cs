using BulkIn.Backends;
using BulkIn.Core;
using Xunit;

namespace BulkIn;

public sealed class EndpointRulesTests
{
    [Theory]
    [InlineData(0x00, "")]
    [InlineData(0x01, " (0x81?)")]
    [InlineData(0x0F, " (0x8F?)")]
    [InlineData(0x10, "")]
    [InlineData(0x80, "")]
    [InlineData(0x90, "")]
    public void Check_NoInAddress_NamesTheInEndpointOfThatNumber(byte address, string hint)
    {
        ArgumentException refused = Assert.Throws<ArgumentException>(() => EndpointRules.Check(new BulkInEndpoint(address, EndpointTransferType.Bulk, 512), new BulkInQueueOptions()));

        Assert.StartsWith($"Endpoint 0x{address:X2} is not an IN endpoint: IN addresses are 0x81 to 0x8F{hint}.", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void Check_NoPacketSize_SaysSo(int maxPacketSize)
    {
        ArgumentException refused = Assert.Throws<ArgumentException>(
            () => EndpointRules.Check(new BulkInEndpoint(0x84, EndpointTransferType.Bulk, maxPacketSize), new BulkInQueueOptions()));

        Assert.StartsWith(FormattableString.Invariant($"Endpoint 0x84 has max packet size {maxPacketSize}."), refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Check_NoEndpoint_SaysSo() => Assert.StartsWith(
        "The backend names no endpoint.", Assert.Throws<ArgumentException>(() => EndpointRules.Check(endpoint: null, new BulkInQueueOptions())).Message, StringComparison.Ordinal);
}
