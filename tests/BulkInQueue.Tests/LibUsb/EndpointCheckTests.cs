using BulkIn.Backends;
using BulkIn.LibUsb;
using Xunit;
using static BulkIn.Tests.LibUsb.FakeLibUsb;

namespace BulkIn.Tests.LibUsb;

public sealed class EndpointCheckTests
{
    private static readonly IReadOnlyList<LibUsbInterfaceInfo> Interfaces =
    [
        Setting(0, 0, Bulk(0x84, 1024), Bulk(0x02, 1024)),
        Setting(1, 0),
        Setting(1, 1, new LibUsbEndpointInfo(0x85, EndpointTransferType.Isochronous, 1024), new LibUsbEndpointInfo(0x86, EndpointTransferType.Interrupt, 64)),
        Setting(2, 0, Bulk(0x87, 512)),
        Setting(2, 1, Bulk(0x87, 64), Bulk(0x88, 0)),
    ];

    [Theory]
    [InlineData(0x00)]
    [InlineData(0x80)]
    [InlineData(0x90)]
    [InlineData(0xFF)]
    public void CheckAddress_NoInAddress_IsRefused(byte address) =>
        Assert.Contains("0x81 to 0x8F", Assert.Throws<ArgumentOutOfRangeException>(() => EndpointCheck.CheckAddress(address)).Message, StringComparison.Ordinal);

    [Fact]
    public void CheckAddress_OutEndpoint_NamesTheInEndpoint() =>
        Assert.Contains("0x02 is an OUT endpoint; the IN endpoint of that number is 0x82", Assert.Throws<ArgumentOutOfRangeException>(() => EndpointCheck.CheckAddress(0x02)).Message, StringComparison.Ordinal);

    [Fact]
    public void FindClaimed_ActiveSetting_AnswersItsEndpoint()
    {
        BulkInEndpoint found = EndpointCheck.FindClaimed(0x86, Interfaces, new Dictionary<int, int> { [1] = 1 }, "d");

        Assert.Equal(new BulkInEndpoint(0x86, EndpointTransferType.Interrupt, 64) { DeviceName = "d" }, found);
        Assert.Equal(512, EndpointCheck.FindClaimed(0x87, Interfaces, new Dictionary<int, int> { [2] = 0 }, "d").MaxPacketSize);
        Assert.Equal(64, EndpointCheck.FindClaimed(0x87, Interfaces, new Dictionary<int, int> { [2] = 1 }, "d").MaxPacketSize);
    }

    [Theory]
    [InlineData(0x84, "call ClaimInterface(0) first")]
    [InlineData(0x86, "call SetAlternateSetting(1, 1) first")]
    [InlineData(0x8E, "the device has no such endpoint")]
    public void FindClaimed_NotInTheActiveSetting_SaysWhatToDoAndWhatThereIs(byte endpoint, string hint)
    {
        ArgumentException thrown = Assert.Throws<ArgumentException>(() => EndpointCheck.FindClaimed(endpoint, Interfaces, new Dictionary<int, int> { [1] = 0 }, "17e9:6006"));

        Assert.Contains(hint, thrown.Message, StringComparison.Ordinal);
        Assert.Contains($"0x{endpoint:X2}", thrown.Message, StringComparison.Ordinal);
        Assert.Contains("0x84 bulk IN, 1024 bytes (interface 0, setting 0)", thrown.Message, StringComparison.Ordinal);
        Assert.Equal("endpoint", thrown.ParamName);
    }

    [Fact]
    public void FindClaimed_WrongTypeOrNoPacketSize_IsRefused()
    {
        Assert.Contains("isochronous", Assert.Throws<ArgumentException>(() => EndpointCheck.FindClaimed(0x85, Interfaces, new Dictionary<int, int> { [1] = 1 }, "d")).Message, StringComparison.Ordinal);
        Assert.Contains("max packet size of 0", Assert.Throws<ArgumentException>(() => EndpointCheck.FindClaimed(0x88, Interfaces, new Dictionary<int, int> { [2] = 1 }, "d")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, null, 512)]
    [InlineData(2, null, 512)]
    [InlineData(2, 1, 64)]
    [InlineData(null, 1, 64)]
    public void FindConfigured_NarrowedByTheOptions_TakesTheLowestSettingThatFits(int? number, int? alternate, int maxPacketSize) =>
        Assert.Equal(maxPacketSize, EndpointCheck.FindConfigured(0x87, Interfaces, number, alternate, "d").MaxPacketSize);

    [Fact]
    public void FindConfigured_Elsewhere_IsRefused()
    {
        Assert.Contains("interface 1 has no such endpoint", Assert.Throws<ArgumentException>(() => EndpointCheck.FindConfigured(0x87, Interfaces, 1, null, "d")).Message, StringComparison.Ordinal);
        Assert.Contains("no active configuration", Assert.Throws<ArgumentException>(() => EndpointCheck.FindConfigured(0x87, [], null, null, "d")).Message, StringComparison.Ordinal);
    }
}
