using BulkIn.Soak;
using Xunit;

namespace BulkIn.KernelBenchTests;

public sealed class MessageVerifierTests
{
    private const int Depth = 4;
    private readonly MessageVerifier _verifier = new();
    private long _transfer;

    public MessageVerifierTests() => _verifier.Opened(Depth);

    [Fact]
    public void Receive_MessagesInOrder_CountsThem()
    {
        Receive(0, 1, 2);

        Assert.Equal(3, _verifier.Messages);
        Assert.Equal(3, _verifier.Transfers);
        Assert.Equal(0, _verifier.Gaps);
    }

    [Fact]
    public void Receive_AMessageInPiecesAndTransfers_IsOneMessage()
    {
        byte[] message = Message(0, 2500);
        _verifier.Receive(0, message.AsSpan(0, 10), isUntrusted: false);
        _verifier.Receive(0, message.AsSpan(10, 1014), isUntrusted: false);
        _verifier.Receive(1, message.AsSpan(1024, 1024), isUntrusted: false);
        _verifier.Receive(2, message.AsSpan(2048), isUntrusted: false);

        Assert.Equal(1, _verifier.Messages);
        Assert.Equal(3, _verifier.Transfers);
    }

    [Fact]
    public void Receive_AMessageIsMissingWithoutAFault_Throws()
    {
        Receive(0, 1);

        RequireViolation("missing", () => Receive(3));
    }

    [Fact]
    public void Receive_MessagesThatNobodyAboveTheKernelCanMissAreMissing_IsAGapAndCounted()
    {
        var verifier = new MessageVerifier(static message => message is 2 or 3 or 5);
        verifier.Opened(Depth);
        verifier.Receive(0, Message(1, 100), isUntrusted: false);
        verifier.Receive(1, Message(4, 100), isUntrusted: false);
        verifier.Receive(2, Message(5, 100).AsSpan(0, 64), isUntrusted: false);
        verifier.Receive(3, Message(6, 100), isUntrusted: false);

        Assert.Equal((3, 3), (verifier.Messages, verifier.LostUnseen));

        // Of the two that are missing now the device says nothing.
        RequireViolation("Messages 7 to 8 are missing", () => verifier.Receive(4, Message(9, 100), isUntrusted: false));
    }

    [Fact]
    public void Receive_AMessageIsMissingBehindAFault_IsAGap()
    {
        Receive(0, 1);
        _verifier.Fault(_transfer);
        Receive(3);

        Assert.Equal(1, _verifier.Gaps);
    }

    [Fact]
    public void Receive_AMessageIsMissingLessThanADepthBehindAFault_IsAGapOfTheSameGeneration()
    {
        Receive(0);
        _verifier.Fault(_transfer);
        Receive(1, 2, 3, 5);

        Assert.Equal(1, _verifier.Gaps);
    }

    [Fact]
    public void Receive_AMessageIsMissingADepthBehindAFault_Throws()
    {
        Receive(0);
        _verifier.Fault(_transfer);
        Receive(1, 2, 3, 4);

        RequireViolation("missing", () => Receive(6));
    }

    [Fact]
    public void Receive_AMessageIsMissingAfterAChangeDuringAPause_IsAGap()
    {
        Receive(0);
        _verifier.Changed(position: 3);
        Receive(1, 2, 5);

        Assert.Equal(1, _verifier.Gaps);
    }

    [Fact]
    public void Receive_AnotherChangeBeforeTheFirstOnesPosition_BothCover()
    {
        Receive(0);
        _verifier.Changed(position: 3);
        _verifier.Changed(position: 3 + Depth);
        Receive(1, 2, 5, 6, 7, 8, 10);

        Assert.Equal(2, _verifier.Gaps);
    }

    [Fact]
    public void Receive_AMessageIsMissingBeforeThePositionOfAChange_Throws()
    {
        Receive(0);
        _verifier.Changed(position: 3);

        RequireViolation("missing", () => Receive(2));
    }

    [Fact]
    public void Receive_AMessageIsMissingAfterOpeningAnew_IsAGap()
    {
        Receive(0);
        _verifier.Opened(Depth);
        _transfer = 0;
        Receive(7);

        Assert.Equal(1, _verifier.Gaps);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(0)]
    public void Receive_AMessageComesAgain_ThrowsEvenBehindAFault(long again)
    {
        Receive(0, 1);
        _verifier.Fault(_transfer);

        RequireViolation("duplicated or out of order", () => Receive(again));
    }

    [Fact]
    public void Receive_TheRestOfAMessageIsMissing_Throws()
    {
        _verifier.Receive(0, Message(0, 1500).AsSpan(0, 1024), isUntrusted: false);
        _transfer = 1;

        RequireViolation("breaks off after 1024 of 1500 bytes", () => Receive(1));
    }

    [Fact]
    public void Receive_BytesOfAnotherMessage_Throws()
    {
        byte[] message = Message(0, 1500);
        _verifier.Receive(0, message.AsSpan(0, 1024), isUntrusted: false);
        message[1200] ^= 1;

        RequireViolation("wrong bytes", () => _verifier.Receive(1, message.AsSpan(1024), isUntrusted: false));
    }

    [Fact]
    public void Receive_APacketIsMissingFromTheMiddle_Throws()
    {
        byte[] message = Message(0, 5000);
        _verifier.Receive(0, message.AsSpan(0, 1024), isUntrusted: false);

        RequireViolation("wrong bytes", () => _verifier.Receive(1, message.AsSpan(2048, 1024), isUntrusted: false));
    }

    [Fact]
    public void Receive_TwoMessagesInOneTransfer_Throws() =>
        RequireViolation("bytes follow message 0", () => _verifier.Receive(0, [.. Message(0, 100), .. Message(1, 100)], isUntrusted: false));

    [Fact]
    public void Receive_ATransferIsSkipped_Throws() =>
        RequireViolation("Transfer 1 came after transfer -1", () => _verifier.Receive(1, Message(0, 100), isUntrusted: false));

    [Fact]
    public void Receive_APieceBehindTheFaultThatFollowsIt_Throws()
    {
        byte[] message = Message(0, 100);
        _verifier.Receive(0, message.AsSpan(0, 50), isUntrusted: false);
        _verifier.Fault(position: 1);

        RequireViolation("came after the fault", () => _verifier.Receive(0, message.AsSpan(50), isUntrusted: false));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Fault_AtAnotherPlaceThanItSays_Throws(long position)
    {
        Receive(0, 1);

        RequireViolation($"transfer {position} is the next", () => _verifier.Fault(position));
    }

    [Fact]
    public void Fault_GivenUpAfterItWasThrown_MayComeAgain()
    {
        Receive(0);
        _verifier.Fault(position: 1);
        Receive(1);
        _verifier.Fault(position: 1);

        Assert.Equal(2, _verifier.Messages);
    }

    [Fact]
    public void Receive_UntrustedBytes_AreNoMessage()
    {
        _verifier.Receive(0, Message(0, 100).AsSpan(0, 64), isUntrusted: true);
        _verifier.Fault(position: 1);
        _transfer = 1;
        Receive(1);

        Assert.Equal(1, _verifier.Messages);
    }

    private static byte[] Message(long number, int length)
    {
        byte[] message = new byte[length];
        NumberedMessage.Write(message, number);
        return message;
    }

    private static void RequireViolation(string expected, Action receive) => Assert.Contains(expected, Assert.Throws<StreamViolationException>(receive).Message, StringComparison.Ordinal);

    private void Receive(params ReadOnlySpan<long> numbers)
    {
        foreach (long number in numbers)
        {
            _verifier.Receive(_transfer++, Message(number, 100), isUntrusted: false);
        }
    }
}
