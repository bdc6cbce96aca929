using System.Buffers.Binary;
using BulkIn.VirtualUsb;
using Xunit;

namespace BulkIn.KernelBenchTests;

public sealed class WireTests
{
    [Fact]
    public void Find_SuperSpeedConfiguration_AddsUp()
    {
        byte[] bytes = DescriptorBytes.Find(Dock(UsbSpeed.Super), type: 2, index: 0)!;

        Assert.Equal(bytes.Length, BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(2)));
        Assert.Equal(9 + 9 + (2 * (7 + 6)), bytes.Length);
        Assert.Equal(1024, BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(18 + 4)));
    }

    [Fact]
    public void Find_HighSpeedConfiguration_HasNoCompanions()
    {
        byte[] bytes = DescriptorBytes.Find(Dock(UsbSpeed.High), type: 2, index: 0)!;

        Assert.Equal(9 + 9 + (2 * 7), bytes.Length);
        Assert.Equal(512, BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(18 + 4)));
        Assert.Null(DescriptorBytes.Find(Dock(UsbSpeed.High), type: 15, index: 0));
    }

    [Fact]
    public void Find_GivenBytes_AreUsedAsTheyAre()
    {
        byte[] broken = [18, 1, 0, 0];

        Assert.Equal(broken, DescriptorBytes.Find(Dock(UsbSpeed.High) with { RawDevice = broken }, type: 1, index: 0));
    }

    [Fact]
    public void Read_SubmitCommand_GivesItsFields()
    {
        byte[] bytes = new byte[UsbIpHeader.Size];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, 1);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(4), 77);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(12), 0);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(16), 2);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(24), 512);

        UsbIpHeader header = UsbIpHeader.Read(bytes);

        Assert.Equal((UsbIpCommand.Submit, 77u, (byte)0x02, 512), (header.Command, header.Sequence, header.Endpoint, header.Length));
        Assert.True(header.HasData);
    }

    [Fact]
    public void Read_InSubmitAndUnlink_CarryNoData()
    {
        byte[] submit = new byte[UsbIpHeader.Size];
        BinaryPrimitives.WriteUInt32BigEndian(submit, 1);
        BinaryPrimitives.WriteUInt32BigEndian(submit.AsSpan(12), 1);
        BinaryPrimitives.WriteUInt32BigEndian(submit.AsSpan(16), 4);
        BinaryPrimitives.WriteInt32BigEndian(submit.AsSpan(24), 16384);
        byte[] unlink = new byte[UsbIpHeader.Size];
        BinaryPrimitives.WriteUInt32BigEndian(unlink, 2);
        BinaryPrimitives.WriteUInt32BigEndian(unlink.AsSpan(20), 77);

        Assert.False(UsbIpHeader.Read(submit).HasData);
        Assert.Equal(0x84, UsbIpHeader.Read(submit).Endpoint);
        Assert.False(UsbIpHeader.Read(unlink).HasData);
        Assert.Equal(77u, UsbIpHeader.Read(unlink).UnlinkSequence);
    }

    [Fact]
    public void Read_UnknownCommand_IsRefused() => Assert.Throws<InvalidDataException>(() => UsbIpHeader.Read(new byte[UsbIpHeader.Size]));

    [Fact]
    public void WriteSubmitReply_StatusAndLength_AreBigEndian()
    {
        byte[] bytes = new byte[UsbIpHeader.Size];
        UsbIpHeader.WriteSubmitReply(bytes, 77, -32, 100);

        Assert.Equal(3u, BinaryPrimitives.ReadUInt32BigEndian(bytes));
        Assert.Equal(77u, BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(4)));
        Assert.Equal(-32, BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(20)));
        Assert.Equal(100, BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(24)));
    }

    private static DeviceDescription Dock(UsbSpeed speed) => new()
    {
        VendorId = 0x17e9,
        ProductId = 0x6006,
        Speed = speed,
        Interfaces = [new InterfaceDescription(0, [new EndpointDescription(0x02), new EndpointDescription(0x84)])],
    };
}
