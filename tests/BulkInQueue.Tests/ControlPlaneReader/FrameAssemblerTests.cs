#pragma warning disable CA5394 // A fixed seed: the same streams in every run, so that a failure can be looked at.

using System.Buffers.Binary;
using Xunit;

namespace ControlPlaneReader;

public sealed class FrameAssemblerTests
{
    private readonly Recorder _seen = new();
    private readonly FrameAssembler _assembler;

    public FrameAssemblerTests() => _assembler = new FrameAssembler(_seen);

    [Fact]
    public void Add_OneFrame_ReportsItsHeader()
    {
        byte[] frame = Frame(64, type: 4, subtype: 0x45, auxiliary: 7, sequence: 0x01020304);

        Short(frame);

        (FrameHeader header, byte[] bytes) = Assert.Single(_seen.Frames);
        Assert.Equal(new FrameHeader(64, 4, 0x45, 7, 0x01020304), header);
        Assert.Equal(frame, bytes);
        Verify(transfers: 1, framed: 1);
        Assert.Equal(1, _assembler.Kinds[(4, 0x45)]);
    }

    [Fact]
    public void Add_SeveralFramesInOneTransfer_ReportsEach()
    {
        Short([.. Frame(16), .. Frame(20, type: 1), .. Frame(300, type: 2)]);

        Assert.Equal([16, 20, 300], _seen.Sizes);
        Verify(transfers: 1, framed: 1);
    }

    [Theory]
    [InlineData(5800, 4096)]
    [InlineData(5800, 512)]
    [InlineData(65539, 1024)]
    [InlineData(4096, 512)]
    public void Add_FrameOverFullTransfers_IsPutTogether(int size, int buffer)
    {
        byte[] frame = Frame(size);

        Message(frame, buffer);

        Assert.Equal(frame, Assert.Single(_seen.Frames).Bytes);
        Assert.Equal(0, _assembler.Malformed);
        Verify();
    }

    [Fact]
    public void Add_HeaderSplitOverTransfers_IsPutTogether()
    {
        byte[] stream = [.. Frame(504), .. Frame(40)];

        Full(stream[..512]);
        Short(stream[512..]);

        Assert.Equal([504, 40], _seen.Sizes);
        Verify(transfers: 2, framed: 2);
    }

    [Fact]
    public void Add_FramesAfterASpanningOne_AreFoundInTheSameTransfer()
    {
        byte[] stream = [.. Frame(600), .. Frame(30), .. Frame(700), .. Frame(16)];

        Message(stream, 512);

        Assert.Equal([600, 30, 700, 16], _seen.Sizes);
        Assert.Equal(0, _assembler.Malformed);
        Verify();
    }

    [Fact]
    public void Add_DeclaresMoreThanAShortTransferHas_IsMalformedAndTheNextIsFound()
    {
        byte[] liar = Frame(64);
        BinaryPrimitives.WriteUInt16LittleEndian(liar.AsSpan(2), 5000);

        Short(liar);
        Short(Frame(32));

        Assert.Contains("declares 5004 bytes, 64 are left", Assert.Single(_seen.Malformed).Reason, StringComparison.Ordinal);
        Assert.Equal([32], _seen.Sizes);
        Verify(transfers: 2, framed: 1, malformed: 1);
    }

    [Fact]
    public void Add_DeclaresMoreInAFullTransfer_IsGivenUpAtTheNextWholeFrame()
    {
        byte[] liar = Frame(512);
        BinaryPrimitives.WriteUInt16LittleEndian(liar.AsSpan(2), 60000);

        Full(liar);
        Short(Frame(48));
        Short(Frame(32));

        Assert.Equal(liar, Assert.Single(_seen.Malformed).Bytes);
        Assert.Equal([48, 32], _seen.Sizes);
        Verify(transfers: 3, framed: 2, malformed: 1);
    }

    [Fact]
    public void Add_MessageEndsInsideASpanningFrame_IsMalformedAndEveryTransferCounted()
    {
        byte[] frame = Frame(2000);

        Full(frame[..512]);
        Full(frame[512..1024]);
        Short(frame[1024..1100]);

        Assert.Equal(2, _seen.Malformed.Count);
        Assert.Equal(frame[..1024], _seen.Malformed[0].Bytes);
        Verify(transfers: 3, malformed: 3);
    }

    [Theory]
    [InlineData(3u)]
    [InlineData(0u)]
    [InlineData(0x10004u)]
    public void Add_UnknownType_IsMalformed(uint type)
    {
        Short(Frame(64, type));
        Short(Frame(16));

        Assert.Contains($"unknown type 0x{type:x}", Assert.Single(_seen.Malformed).Reason, StringComparison.Ordinal);
        Verify(transfers: 2, framed: 1, malformed: 1);
    }

    [Fact]
    public void Add_DeclaresLessThanItsHeader_IsMalformed()
    {
        byte[] frame = Frame(64);
        BinaryPrimitives.WriteUInt16LittleEndian(frame.AsSpan(2), 11);

        Short(frame);

        Assert.Contains("declares 15 bytes", Assert.Single(_seen.Malformed).Reason, StringComparison.Ordinal);
        Verify(transfers: 1, malformed: 1);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(15)]
    public void Add_ShorterThanAHeader_IsMalformed(int length)
    {
        Short(Frame(16)[..length]);

        Assert.Contains("shorter than a header", Assert.Single(_seen.Malformed).Reason, StringComparison.Ordinal);
        Verify(transfers: 1, malformed: 1);
    }

    [Fact]
    public void Add_TrailingBytes_AreReportedAndTheFrameKept()
    {
        Short([.. Frame(32), 1, 2, 3]);

        Assert.Equal([32], _seen.Sizes);
        (byte[] bytes, string reason) = Assert.Single(_seen.Malformed);
        Assert.Equal([1, 2, 3], bytes);
        Assert.Contains("3 trailing bytes", reason, StringComparison.Ordinal);
        Verify(transfers: 1, malformed: 1);
    }

    [Fact]
    public void Add_ZeroLength_IsCountedAndEndsAMessage()
    {
        Short([]);
        Full(Frame(600)[..512]);
        Short([]);
        Short(Frame(20));

        Assert.Equal(512, Assert.Single(_seen.Malformed).Bytes.Length);
        Assert.Equal([20], _seen.Sizes);
        Verify(transfers: 4, framed: 1, malformed: 1, empty: 2);
    }

    [Fact]
    public void Break_InsideAFrame_GivesItUp()
    {
        Full(Frame(600)[..512]);
        _assembler.Break("the endpoint failed");
        Short(Frame(600)[512..]);

        Assert.Equal(2, _seen.Malformed.Count);
        Assert.Equal("the endpoint failed", _seen.Malformed[0].Reason);
        Verify(transfers: 2, malformed: 2);
    }

    [Fact]
    public void End_InsideAFrame_GivesItUp()
    {
        Full(Frame(600)[..512]);

        Verify(transfers: 1, malformed: 1);
    }

    [Fact]
    public void AddUntrusted_ValidBytes_AreReportedAndNotParsed()
    {
        _assembler.AddUntrusted(Frame(32), new TransferFacts(TimeSpan.Zero, EndOfMessage: false));

        Assert.Empty(_seen.Frames);
        Verify(transfers: 1, malformed: 1);
    }

    [Fact]
    public void Add_CutBySnapLength_IsAFrameWithFewerBytes()
    {
        byte[] frame = Frame(100);

        _assembler.Add(frame.AsSpan(0, 20), new TransferFacts(TimeSpan.Zero, EndOfMessage: true, Missing: 80));

        Assert.Equal(20, Assert.Single(_seen.Frames).Bytes.Length);
        Assert.Equal([100], _seen.Sizes);
        Assert.Equal(80, _assembler.MissingBytes);
        Verify(transfers: 1, framed: 1);
    }

    [Fact]
    public void Add_SpanningFrameCutBySnapLength_IsOneFrame()
    {
        byte[] frame = Frame(1500);

        _assembler.Add(frame.AsSpan(0, 200), new TransferFacts(TimeSpan.Zero, EndOfMessage: false, Missing: 824));
        _assembler.Add(frame.AsSpan(1024, 200), new TransferFacts(TimeSpan.Zero, EndOfMessage: true, Missing: 276));

        Assert.Equal([1500], _seen.Sizes);
        Assert.Equal(frame[..200], Assert.Single(_seen.Frames).Bytes);
        Assert.Equal(1100, _assembler.MissingBytes);
        Verify(transfers: 2, framed: 2);
    }

    [Fact]
    public void Add_HeaderCutBySnapLength_IsMalformed()
    {
        _assembler.Add(Frame(100).AsSpan(0, 8), new TransferFacts(TimeSpan.Zero, EndOfMessage: true, Missing: 92));
        _assembler.Add([], new TransferFacts(TimeSpan.Zero, EndOfMessage: true, Missing: 92));

        Verify(transfers: 2, malformed: 2);
    }

    [Fact]
    public void Add_RandomFramesInRandomBuffers_FindsEveryFrame()
    {
        var random = new Random(84);
        var sent = new List<byte[]>();
        for (int message = 0; message < 300; message++)
        {
            var bytes = new List<byte>();
            for (int frames = 1 + random.Next(4); frames > 0; frames--)
            {
                byte[] frame = Frame(16 + random.Next(3000), sequence: (uint)sent.Count);
                random.NextBytes(frame.AsSpan(16));
                sent.Add(frame);
                bytes.AddRange(frame);
            }

            Message([.. bytes], 512 << random.Next(4));
        }

        Verify();
        Assert.Equal(0, _assembler.Malformed);
        Assert.Equal(sent.Count, _seen.Frames.Count);
        for (int i = 0; i < sent.Count; i++)
        {
            Assert.Equal(sent[i], _seen.Frames[i].Bytes);
        }
    }

    [Fact]
    public void Add_AnyBytes_AccountsForEveryTransferAndByte()
    {
        var random = new Random(2024);
        for (int i = 0; i < 20000; i++)
        {
            byte[] data = Frame(16 + random.Next(200), type: (uint)random.Next(6));
            for (int flips = random.Next(3); flips > 0; flips--)
            {
                data[random.Next(16)] = (byte)random.Next(256);
            }

            int length = random.Next(3) == 0 ? random.Next(data.Length + 1) : data.Length;
            int missing = random.Next(8) == 0 ? random.Next(300) : 0;
            _assembler.Add(data.AsSpan(0, length), new TransferFacts(TimeSpan.Zero, EndOfMessage: random.Next(3) > 0, missing));
            if (random.Next(50) == 0)
            {
                _assembler.Break("a fault");
            }
        }

        Verify();
        Assert.Equal(20000, _assembler.Transfers);
        Assert.True(_assembler.Frames > 1000, $"only {_assembler.Frames} frames were found");
    }

    private static byte[] Frame(int size, uint type = 4, ushort subtype = 0x25, ushort auxiliary = 0, uint sequence = 0)
    {
        byte[] frame = new byte[size];
        BinaryPrimitives.WriteUInt16LittleEndian(frame.AsSpan(2), (ushort)(size - 4));
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(4), type);
        BinaryPrimitives.WriteUInt16LittleEndian(frame.AsSpan(8), subtype);
        BinaryPrimitives.WriteUInt16LittleEndian(frame.AsSpan(10), auxiliary);
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(12), sequence);
        return frame;
    }

    private void Short(byte[] data) => _assembler.Add(data, new TransferFacts(TimeSpan.Zero, EndOfMessage: true));

    private void Full(byte[] data) => _assembler.Add(data, new TransferFacts(TimeSpan.Zero, EndOfMessage: false));

    /// <summary>What a device's message becomes in buffers of a length: full transfers, then a short one or a zero-length packet.</summary>
    private void Message(byte[] message, int buffer)
    {
        while (message.Length >= buffer)
        {
            Full(message[..buffer]);
            message = message[buffer..];
        }

        Short(message);
    }

    private void Verify(long? transfers = null, long framed = 0, long malformed = 0, long empty = 0)
    {
        _assembler.End();
        Assert.Equal(_assembler.Transfers, _assembler.Framed + _assembler.Malformed + _assembler.Empty);
        Assert.Equal(_assembler.Bytes, _assembler.FrameBytes + _assembler.MalformedBytes);
        if (transfers is not null)
        {
            Assert.Equal((transfers, framed, malformed, empty), (_assembler.Transfers, _assembler.Framed, _assembler.Malformed, _assembler.Empty));
        }
    }

    private sealed class Recorder : IFrameSink
    {
        public List<(FrameHeader Header, byte[] Bytes)> Frames { get; } = [];

        public List<(byte[] Bytes, string Reason)> Malformed { get; } = [];

        public IEnumerable<int> Sizes => Frames.Select(static frame => frame.Header.Size);

        public void OnFrame(in FrameHeader header, ReadOnlySpan<byte> bytes, TimeSpan time) => Frames.Add((header, bytes.ToArray()));

        public void OnMalformed(ReadOnlySpan<byte> bytes, string reason, TimeSpan time) => Malformed.Add((bytes.ToArray(), reason));
    }
}
