using System.Buffers.Binary;
using BulkIn.UsbMon;
using Xunit;

namespace BulkIn.KernelBenchTests;

public sealed class UsbMonEventTests
{
    [Fact]
    public void TryRead_BulkCompletion_GivesEveryField()
    {
        byte[] header = new byte[UsbMonEvent.HeaderSize];
        BinaryPrimitives.WriteUInt64LittleEndian(header, 0xffff_8880_1234_5678);
        header[8] = (byte)'C';
        header[9] = 3;
        header[10] = 0x84;
        header[11] = 7;
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(12), 18);
        header[14] = (byte)'-';
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(16), 1_700_000_000);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(24), 250_001);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(28), -32);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(32), 4000);

        Assert.True(UsbMonEvent.TryRead(header, out UsbMonEvent happened));

        var expected = new UsbMonEvent(
            UsbMonKind.Completion, 0xffff_8880_1234_5678, UsbTransferKind.Bulk, 0x84, 7, 18, 1_700_000_000_250_001, -32, 4000, Setup: 0);
        Assert.Equal(expected, happened);
    }

    [Fact]
    public void TryRead_ClearHaltSubmission_IsRecognised()
    {
        byte[] header = new byte[UsbMonEvent.HeaderSize];
        header[8] = (byte)'S';
        header[9] = 2;
        byte[] setup = [0x02, 0x01, 0x00, 0x00, 0x84, 0x00, 0x00, 0x00];
        setup.CopyTo(header, 40);

        Assert.True(UsbMonEvent.TryRead(header, out UsbMonEvent happened));

        Assert.True(happened.IsClearHalt);
        Assert.Equal(0x84, happened.SetupEndpoint);
    }

    [Fact]
    public void TryRead_FillerRecord_IsNoEvent()
    {
        byte[] header = new byte[UsbMonEvent.HeaderSize];
        header[8] = (byte)'@';

        Assert.False(UsbMonEvent.TryRead(header, out _));
    }
}
