using BulkIn.DeviceScript;
using BulkIn.Gadgets;
using BulkIn.VirtualUsb;
using Xunit;

namespace BulkIn.KernelBenchTests;

public sealed class ScriptTests
{
    [Fact]
    public void Parse_VirtualDock_DescribesTheDevice()
    {
        UsbScript script = UsbScript.Parse("""
            # the dock
            device 17e9:6006 high
            text Maker - 0001
            endpoint 0x02
            endpoint 0x84 bulk 512

            on 0x84
            data 64 after 20ms     # a report
            fail stall
            hold 4
            release reverse random
            unlink late 200ms
            repeat
            """);

        Assert.Equal(0x17e9, script.Description.VendorId);
        Assert.Equal(0x6006, script.Description.ProductId);
        Assert.Equal(UsbSpeed.High, script.Description.Speed);
        Assert.Equal(("Maker", "", "0001"), (script.Description.Manufacturer, script.Description.Product, script.Description.SerialNumber));
        Assert.Equal([0x02, 0x84], script.Description.Interfaces[0].Endpoints.Select(endpoint => (int)endpoint.Address));
        Assert.Equal([0x84], script.Endpoints);
    }

    [Theory]
    [InlineData("endpoint 0x84", 1, "device")]
    [InlineData("device 17e9 super", 1, "VENDOR:PRODUCT")]
    [InlineData("device 1:2 warp", 1, "high or super")]
    [InlineData("device 1:2\ndata 5", 2, "no statement here")]
    [InlineData("device 1:2\non 0x84", 2, "not declared")]
    [InlineData("device 1:2\nendpoint 0x84\non 0x84\n\ndata", 5, "length is missing")]
    [InlineData("device 1:2\nendpoint 0x84\non 0x84\ndata 5 after soon", 4, "such as 500us")]
    [InlineData("device 1:2\nendpoint 0x84\non 0x84\nfail badly", 4, "no status")]
    [InlineData("device 1:2\nendpoint 0x84\non 0x84\nhalt now", 4, "not understood")]
    [InlineData("device 1:2\nendpoint 0x184", 2, "0x81 to 0x8f")]
    [InlineData("device 1:2\nendpoint 0x84\non 0x84\ndata 5\non 0x84", 5, "has its statements already")]
    [InlineData("device 1:2\nendpoint 0x84\non 0x84\nunlink never\nrepeat", 5, "waits for anything")]
    [InlineData("device 1:2\nendpoint 0x84\non 0x84\ndata 5\nrepeat 2\nrepeat", 6, "repeats once")]
    public void Parse_WrongUsbScript_NamesTheLine(string text, int line, string piece)
    {
        ScriptException exception = Assert.Throws<ScriptException>(() => UsbScript.Parse(text));

        Assert.Equal(line, exception.Line);
        Assert.Contains(piece, exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("task", 1, "at least one endpoint")]
    [InlineData("in a\nwrite a 5", 2, "no statement here")]
    [InlineData("in a\ntask\nwrite b 5", 3, "no endpoint is called 'b'")]
    [InlineData("in a\ntask\nread a", 3, "goes the other way")]
    [InlineData("in a\ntask\nwrite a -1", 3, "not negative")]
    [InlineData("in a\ntask\nwrite a 5 0", 3, "at least 1")]
    [InlineData("in a\ntask\nrepeat", 3, "nothing before")]
    [InlineData("in a\ntask\nwrite a 5\nrepeat 2\nrepeat", 5, "repeats once")]
    [InlineData("in a\nin a", 2, "already")]
    [InlineData("in a\ntask\nwrite a 70000", 3, "65536")]
    public void Parse_WrongGadgetScript_NamesTheLine(string text, int line, string piece)
    {
        ScriptException exception = Assert.Throws<ScriptException>(() => GadgetScript.Parse(text));

        Assert.Equal(line, exception.Line);
        Assert.Contains(piece, exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(4001)]
    public void FirstDifference_OwnPayload_IsNone(int length)
    {
        byte[] bytes = new byte[length];
        SequencedPayload.Write(bytes, 123456);

        Assert.Equal(-1, SequencedPayload.FirstDifference(bytes, 123456));
        Assert.Equal(length < 8 ? -1 : 123456, SequencedPayload.Read(bytes));
    }

    [Fact]
    public void FirstDifference_ChangedByte_IsFound()
    {
        byte[] bytes = new byte[1000];
        SequencedPayload.Write(bytes, 5);
        bytes[777]++;

        Assert.Equal(777, SequencedPayload.FirstDifference(bytes, 5));
        Assert.Equal(0, SequencedPayload.FirstDifference(bytes, 6));
    }

    [Fact]
    public void Length_ManyTransfers_MixesEveryKind()
    {
        const int Maximum = 16 * 1024;
        List<int> lengths = [.. Enumerable.Range(0, 10_000).Select(sequence => SequencedPayload.Length(sequence, Maximum))];

        Assert.Contains(0, lengths);
        Assert.Contains(Maximum, lengths);
        Assert.All(lengths, length => Assert.InRange(length, 0, Maximum));
        Assert.DoesNotContain(lengths, length => length > 0 && length < Maximum && length % 512 == 0);
    }
}
