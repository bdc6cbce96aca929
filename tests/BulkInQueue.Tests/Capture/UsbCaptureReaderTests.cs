#pragma warning disable CA5394 // A fixed seed: the same damage in every run, so that a failure can be looked at.

using BulkIn.Backends;
using Xunit;

namespace BulkIn.Testing;

public sealed class UsbCaptureReaderTests
{
    [Theory]
    [MemberData(nameof(CaptureFlavor.All), MemberType = typeof(CaptureFlavor))]
    public void Read_EveryFlavor_YieldsTheEventsAsRecorded(bool pcapNg, bool bigEndian, int linkType, bool nanoseconds)
    {
        var builder = new CaptureBuilder(new CaptureFlavor(pcapNg, bigEndian, linkType) { Nanoseconds = nanoseconds });
        builder.Submit(0xFFFF_8881_0000_1234, length: 4096, time: 0.25).Complete(0xFFFF_8881_0000_1234, [1, 2, 3], time: 1.5).Fail(7, -108, time: 2);
        using var reader = new UsbCaptureReader(builder.ToStream());

        UsbCaptureEvent submission = reader.Read()!;
        Assert.Equal(UsbCaptureEventKind.Submission, submission.Kind);
        Assert.Equal(0xFFFF_8881_0000_1234, submission.UrbId);
        Assert.Equal(EndpointTransferType.Bulk, submission.TransferType);
        Assert.Equal((2, 10, 0x84), (submission.Bus, submission.Device, submission.Endpoint));
        Assert.Equal(-115, submission.Status);
        Assert.Equal(4096, submission.UrbLength);
        Assert.Equal(0, submission.MissingLength);
        Assert.Equal(DateTimeOffset.FromUnixTimeSeconds(CaptureBuilder.StartSeconds).AddMilliseconds(250), submission.Timestamp);

        UsbCaptureEvent completion = reader.Read()!;
        Assert.Equal(UsbCaptureEventKind.Completion, completion.Kind);
        Assert.Equal(0, completion.Status);
        Assert.Equal(new byte[] { 1, 2, 3 }, completion.Data.ToArray());
        Assert.Equal(0, completion.MissingLength);
        Assert.Equal(DateTimeOffset.FromUnixTimeSeconds(CaptureBuilder.StartSeconds).AddMilliseconds(1500), completion.Timestamp);

        Assert.Equal(-108, reader.Read()!.Status);
        Assert.Null(reader.Read());
        Assert.Equal(builder.Length, reader.Position);
    }

    [Fact]
    public void Read_RecordCutBySnapLength_TellsTheMissingBytes()
    {
        var builder = new CaptureBuilder { Snap = 48 + 20 };
        builder.Complete(1, new byte[100]);
        using var reader = new UsbCaptureReader(builder.ToStream());

        UsbCaptureEvent completion = reader.Read()!;

        Assert.Equal((20, 100, 80), (completion.Data.Length, completion.UrbLength, completion.MissingLength));
    }

    [Fact]
    public void Read_ControlSubmission_HasItsSetupPacket()
    {
        var builder = new CaptureBuilder();
        builder.Event((byte)'S', 1, -115, 0, [], 0, endpoint: 0x80, transferType: 2);
        using var reader = new UsbCaptureReader(builder.ToStream());

        Assert.Equal(new byte[] { 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87 }, reader.Read()!.Setup.ToArray());
    }

    [Fact]
    public void Read_PcapNgWithSectionsInBothByteOrders_ReadsBoth()
    {
        byte[] little = new CaptureBuilder(new CaptureFlavor(true, false, 189)).Complete(1, [1]).ToArray();
        byte[] big = new CaptureBuilder(new CaptureFlavor(true, true, 220)).Complete(2, [2]).ToArray();
        using var reader = new UsbCaptureReader(new MemoryStream([.. little, .. big]));

        Assert.Equal(1UL, reader.Read()!.UrbId);
        Assert.Equal(2UL, reader.Read()!.UrbId);
        Assert.Null(reader.Read());
    }

    [Fact]
    public void Read_PcapNgWithOtherBlocksAndInterfaces_PassesOverThem()
    {
        var builder = new CaptureBuilder(new CaptureFlavor(true, false, 189));
        builder.Block(5, new byte[40]).Interface(1).Interface(220);
        builder.InterfaceIndex = 1;
        builder.Packet(new byte[60], 0);
        builder.InterfaceIndex = 0;
        builder.Complete(7, [7]).Block(0xBAD, [1, 2, 3]);
        using var reader = new UsbCaptureReader(builder.ToStream());

        Assert.Equal(7UL, reader.Read()!.UrbId);
        Assert.Null(reader.Read());
    }

    [Theory]
    [InlineData(6, 1_000_000)]
    [InlineData(3, 1_000)]
    [InlineData(0x8A, 1024)]
    public void Read_PcapNgResolutionAndOffset_GiveTheTime(byte resolution, int unitsPerSecond)
    {
        var builder = new CaptureBuilder(new CaptureFlavor(true, false, 189));
        builder.Interface(189, resolution: resolution, offsetSeconds: -3600);
        byte[] body = new byte[20 + 48];
        BitConverter.TryWriteBytes(body.AsSpan(0), 1);
        BitConverter.TryWriteBytes(body.AsSpan(12), 48);
        body[20 + 8] = (byte)'C';
        body[20 + 9] = 3;
        BitConverter.TryWriteBytes(body.AsSpan(4), (uint)((7200L * unitsPerSecond) >> 32));
        BitConverter.TryWriteBytes(body.AsSpan(8), (uint)((7200L * unitsPerSecond) + (unitsPerSecond / 2)));
        using var reader = new UsbCaptureReader(builder.Block(6, body).ToStream());

        Assert.Equal(DateTimeOffset.UnixEpoch.AddSeconds(3600.5), reader.Read()!.Timestamp);
    }

    [Fact]
    public void Read_SimplePacketBlock_TakesTheTimeFromTheUsbHeader()
    {
        byte[] classic = new CaptureBuilder().Complete(9, [1, 2], time: 4.25).ToArray();
        var builder = new CaptureBuilder(new CaptureFlavor(true, false, 189));
        using var reader = new UsbCaptureReader(builder.SimplePacket(classic.AsSpan(24 + 16)).ToStream());

        UsbCaptureEvent completion = reader.Read()!;

        Assert.Equal(9UL, completion.UrbId);
        Assert.Equal(2, completion.Data.Length);
        Assert.Equal(DateTimeOffset.FromUnixTimeSeconds(CaptureBuilder.StartSeconds).AddSeconds(4.25), completion.Timestamp);
    }

    [Theory]
    [InlineData(1, "ETHERNET")]
    [InlineData(249, "USBPCAP")]
    [InlineData(4242, "4242")]
    public void Read_UnknownLinkType_IsNamedByItsNumber(int linkType, string name)
    {
        CaptureFormatException classic = Assert.Throws<CaptureFormatException>(
            () => new UsbCaptureReader(new CaptureBuilder(new CaptureFlavor(false, false, linkType)).ToStream()));
        CaptureFormatException next = Assert.Throws<CaptureFormatException>(
            () => ReadAll(new CaptureBuilder(new CaptureFlavor(true, false, linkType)).Packet(new byte[60], 0).ToArray()));

        Assert.Contains($"Link type {linkType}", classic.Message, StringComparison.Ordinal);
        Assert.Contains(name, classic.Message, StringComparison.Ordinal);
        Assert.Equal(20, classic.Offset);
        Assert.Contains($"Link type {linkType}", next.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("00")]
    [InlineData("89504e470d0a1a0a")]
    [InlineData("0a0d0d0a1c0000000000000000000000")]
    [InlineData("d4c3b2a1")]
    [InlineData("d4c3b2a109000400000000000000000000000400bd000000")]
    public void Open_Garbage_IsOneClearException(string hex)
    {
        CaptureFormatException exception = Assert.Throws<CaptureFormatException>(() => ReadAll(Convert.FromHexString(hex)));

        Assert.Contains("byte", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', exception.Message);
    }

    [Theory]
    [MemberData(nameof(CaptureFlavor.All), MemberType = typeof(CaptureFlavor))]
    public void Read_CutOffAnywhere_IsATruncationUnlessBetweenRecords(bool pcapNg, bool bigEndian, int linkType, bool nanoseconds)
    {
        var builder = new CaptureBuilder(new CaptureFlavor(pcapNg, bigEndian, linkType) { Nanoseconds = nanoseconds });
        var whole = new HashSet<long> { builder.Length };
        for (uint urb = 0; urb < 3; urb++)
        {
            whole.Add(builder.Complete(urb, new byte[urb * 5]).Length);
        }

        byte[] file = builder.ToArray();
        for (int length = 0; length < file.Length; length++)
        {
            byte[] cut = file[..length];
            if (whole.Contains(length) || (pcapNg && length == 28))
            {
                ReadAll(cut);
            }
            else
            {
                CaptureFormatException exception = Assert.Throws<CaptureFormatException>(() => ReadAll(cut));
                Assert.True(exception.IsTruncation, $"cut at {length}: {exception.Message}");
                Assert.InRange(exception.Offset, 0, length);
            }
        }
    }

    [Fact]
    public void Read_LengthFieldOfGigabytes_IsRefusedWithoutAllocatingThem()
    {
        byte[] file = new CaptureBuilder().Complete(1, new byte[8]).ToArray();
        BitConverter.TryWriteBytes(file.AsSpan(24 + 8), 0x7FFF_FFFF);
        long before = GC.GetAllocatedBytesForCurrentThread();

        Assert.Throws<CaptureFormatException>(() => ReadAll(file));
        BitConverter.TryWriteBytes(file.AsSpan(24 + 8), UsbCaptureReader.MaximumRecordLength);
        Assert.True(Assert.Throws<CaptureFormatException>(() => ReadAll(file)).IsTruncation);

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 8 << 20);
    }

    [Theory]
    [MemberData(nameof(CaptureFlavor.All), MemberType = typeof(CaptureFlavor))]
    public void Read_DamagedAnywhere_EndsInEventsOrTheOneException(bool pcapNg, bool bigEndian, int linkType, bool nanoseconds)
    {
        var builder = new CaptureBuilder(new CaptureFlavor(pcapNg, bigEndian, linkType) { Nanoseconds = nanoseconds });
        for (uint urb = 0; urb < 6; urb++)
        {
            builder.Transfer(urb, new byte[urb * 7], time: urb);
        }

        if (pcapNg)
        {
            builder.Interface(220, resolution: 0x94, offsetSeconds: 5).Block(4, new byte[20]);
        }

        byte[] file = builder.ToArray();

        var random = new Random(linkType + (pcapNg ? 1000 : 0) + (bigEndian ? 2000 : 0) + (nanoseconds ? 4000 : 0));
        for (int i = 0; i < 2000; i++)
        {
            byte[] damaged = file[..random.Next(file.Length + 1)];
            for (int flips = random.Next(4); flips > 0 && damaged.Length > 0; flips--)
            {
                damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            }

            try
            {
                ReadAll(damaged);
            }
            catch (CaptureFormatException exception)
            {
                Assert.InRange(exception.Offset, 0, damaged.Length);
            }
        }
    }

    private static int ReadAll(byte[] file)
    {
        using var reader = new UsbCaptureReader(new MemoryStream(file));
        int events = 0;
        while (reader.Read() is not null)
        {
            events++;
            Assert.True(events <= file.Length, "each event takes bytes, so there cannot be more events than bytes");
        }

        return events;
    }
}
