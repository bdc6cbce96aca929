using BulkIn.VirtualUsb;
using Xunit;

namespace BulkIn.KernelBenchTests;

public sealed class DeviceDescriptionTests
{
    public static TheoryData<string, DeviceDescription> Impossible => new()
    {
        { "full, high or super", Dock() with { Speed = UsbSpeed.Unknown } },
        { "at most 126", Dock() with { Product = new string('x', 127) } },
        { "alternate setting 0 twice", Dock() with { Interfaces = [new InterfaceDescription(0, []), new InterfaceDescription(0, [])] } },
        { "no alternate setting 0", Dock() with { Interfaces = [new InterfaceDescription(0, []) { AlternateSetting = 1 }] } },
        { "without a gap", Dock() with { Interfaces = [new InterfaceDescription(0, []), new InterfaceDescription(2, [])] } },
        { "0x81 to 0x8f", Dock(new EndpointDescription(0x80)) },
        { "0x81 to 0x8f", Dock(new EndpointDescription(0x91)) },
        { "listed twice", Dock(new EndpointDescription(0x81), new EndpointDescription(0x81)) },
        { "bulk and interrupt", Dock(new EndpointDescription(0x81, EndpointKind.Control)) },
        { "packets of 2000", Dock(new EndpointDescription(0x81) { MaxPacketSize = 2000 }) },
        { "bursts of 16", Dock(new EndpointDescription(0x81) { MaxBurst = 16 }) },
    };

    [Theory]
    [MemberData(nameof(Impossible))]
    public void Validate_WhatCannotBe_SaysWhat(string piece, DeviceDescription description)
    {
        ArgumentException exception = Assert.Throws<ArgumentException>(description.Validate);

        Assert.Contains(piece, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Validate_SeveralInterfacesAndSettings_AreFine()
    {
        DeviceDescription description = Dock() with
        {
            Interfaces =
            [
                new InterfaceDescription(1, [new EndpointDescription(0x82)]),
                new InterfaceDescription(0, []),
                new InterfaceDescription(0, [new EndpointDescription(0x81, EndpointKind.Interrupt)]) { AlternateSetting = 1 },
            ],
        };

        description.Validate();
    }

    [Fact]
    public void Plug_ImpossibleDescription_IsRefusedBeforeAnythingIsAttached()
    {
        bool attached = false;
        Assert.Throws<ArgumentException>(() => VirtualUsbDevice.Plug(
            Dock(new EndpointDescription(0x80)),
            new RecordingFunction(),
            _ =>
            {
                attached = true;
                return new FakeHost();
            }));

        Assert.False(attached);
    }

    private static DeviceDescription Dock(params EndpointDescription[] endpoints) => new() { VendorId = 0x17e9, ProductId = 0x6006, Interfaces = [new InterfaceDescription(0, endpoints)] };
}
