using BulkIn.VirtualUsb;
using Xunit;

namespace BulkIn.KernelBenchTests;

public sealed class StandardRequestsTests
{
    private const byte In = 0x84;
    private const byte OtherIn = 0x81;

    private readonly StandardRequests _requests = new(new DeviceDescription
    {
        VendorId = 1,
        ProductId = 2,
        Speed = UsbSpeed.High,
        Interfaces =
        [
            new InterfaceDescription(0, []),
            new InterfaceDescription(0, [new EndpointDescription(In)]) { AlternateSetting = 1 },
            new InterfaceDescription(1, [new EndpointDescription(OtherIn)]),
        ],
    });

    [Fact]
    public void Answer_Descriptor_IsCutToTheLengthAskedFor() => Assert.Equal(8, Answer(0x80, 6, 0x0100, 0, 8)!.Length);

    [Fact]
    public void Answer_Configuration_IsTheOneThatWasSet()
    {
        Assert.Equal([0], Answer(0x80, 8, 0, 0, 1));
        Assert.NotNull(Answer(0x00, 9, 1, 0, 0));
        Assert.Equal([1], Answer(0x80, 8, 0, 0, 1));
    }

    [Fact]
    public void Answer_UnknownConfiguration_Stalls() => Assert.Null(Answer(0x00, 9, 7, 0, 0));

    [Fact]
    public void Answer_InterfaceSetting_IsTheOneThatWasSet()
    {
        Assert.NotNull(Answer(0x01, 11, 1, 0, 0));

        Assert.Equal([1], Answer(0x81, 10, 0, 0, 1));
        Assert.Equal([0], Answer(0x81, 10, 0, 1, 1));
        Assert.Null(Answer(0x01, 11, 2, 0, 0));
    }

    [Fact]
    public void Answer_InterfaceSetting_FreesItsOwnEndpointsOnly()
    {
        Answer(0x01, 11, 1, 0, 0);
        _requests.Halt(In);
        _requests.Halt(OtherIn);

        Answer(0x01, 11, 1, 0, 0);

        Assert.False(_requests.IsHalted(In));
        Assert.True(_requests.IsHalted(OtherIn));
    }

    [Fact]
    public void Answer_SetAndClearHalt_ShowInTheStatus()
    {
        Assert.Equal([0, 0], Status(OtherIn));
        Assert.NotNull(Answer(0x02, 3, 0, OtherIn, 0));
        Assert.Equal([1, 0], Status(OtherIn));
        Assert.NotNull(Answer(0x02, 1, 0, OtherIn, 0));
        Assert.Equal([0, 0], Status(OtherIn));
    }

    [Fact]
    public void Answer_HaltOfAnEndpointOutsideTheActiveSetting_Stalls()
    {
        Assert.Null(Answer(0x02, 3, 0, In, 0));
        Assert.Null(Status(In));
    }

    [Fact]
    public void Answer_OtherFeatureOfAnEndpoint_Stalls() => Assert.Null(Answer(0x02, 3, 1, OtherIn, 0));

    [Fact]
    public void Answer_StatusByRecipient_DiffersAsChapterNineSays()
    {
        Assert.Equal([1, 0], Answer(0x80, 0, 0, 0, 2));
        Assert.Equal([0, 0], Answer(0x81, 0, 0, 0, 2));
        Assert.Equal([0, 0], Answer(0x82, 0, 0, 0, 2));
    }

    [Fact]
    public void Answer_VendorRequest_Stalls() => Assert.Null(Answer(0xC0, 1, 0, 0, 8));

    private byte[]? Status(byte endpoint) => Answer(0x82, 0, 0, endpoint, 2);

    private byte[]? Answer(byte type, byte request, ushort value, ushort index, ushort length) => _requests.Answer(new SetupPacket(type, request, value, index, length));
}
