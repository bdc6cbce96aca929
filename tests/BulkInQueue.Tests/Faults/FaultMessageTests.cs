using BulkIn.Backends;
using BulkIn.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Moq;
using Xunit;

namespace BulkIn;

/// <summary>What a user reads: whole messages, because a part that is left out or joined badly is what a look for a part does not see.</summary>
public sealed class FaultMessageTests
{
    private readonly Mock<IBulkInBackend> _transport = new();
    private string _deviceName = "17e9:6006 at 2-1";

    [Theory]
    [InlineData(BulkInError.Stall, "the device halted the endpoint")]
    [InlineData(BulkInError.TransferError, "a transfer failed on the bus")]
    [InlineData(BulkInError.Overflow, "the device sent more than the transfer could take; its bytes are untrusted")]
    [InlineData(
        BulkInError.Interrupted,
        "its transfers were ended from outside the queue (a reset, a released interface, a deauthorized device, system sleep, or a foreign cancel) while the device stayed attached")]
    [InlineData(BulkInError.DeviceGone, "the device is gone")]
    [InlineData(BulkInError.HandleClosed, "the owner of the device handle closed it while the queue was open")]
    [InlineData(BulkInError.SubmitFailed, "a transfer was refused")]
    [InlineData(BulkInError.OutOfMemory, "no memory for USB buffers")]
    [InlineData(
        BulkInError.CompletionMissing,
        "a cancelled transfer did not come back: the event thread that pumps this handle has stopped, or the host controller hangs")]
    [InlineData(BulkInError.Unknown, "an unknown error")]
    public void ToException_EachError_SaysWhatHappened(BulkInError error, string what)
    {
        Fault fault = new() { Error = error, Class = FaultClass.Terminal, Status = TransferStatus.Stall, NativeStatus = 4, Sequence = 3, IntactFrom = 3, BytePosition = 99 };

        Assert.Equal($"Endpoint 0x84 of 17e9:6006 at 2-1: {what} (transfer status Stall 4), after 3 transfers and 99 bytes. The queue can only be disposed of.", MessageOf(fault));
    }

    [Fact]
    public void ToException_DeviceWithoutAName_NamesTheEndpointOnly()
    {
        _deviceName = "";

        Assert.StartsWith("Endpoint 0x84: the device halted the endpoint (", MessageOf(Stall()), StringComparison.Ordinal);
    }

    [Fact]
    public void ToException_NeitherCallNorTransferFailed_HasNoCode() => Assert.Equal(
        "Endpoint 0x84 of 17e9:6006 at 2-1: a cancelled transfer did not come back: the event thread that pumps this handle has stopped, or the host controller hangs, after 0 transfers and 0 bytes. Dispose of the queue.",
        MessageOf(new Fault { Error = BulkInError.CompletionMissing }));

    [Theory]
    [InlineData(0, "(Io -1)")]
    [InlineData(5, "(Io -1, system error 5)")]
    public void ToException_CallFailed_HasItsCodes(int systemError, string codes)
    {
        Fault fault = Fault.OfCall(new BackendResult(BackendStatus.Io, -1, systemError));

        Assert.Equal($"Endpoint 0x84 of 17e9:6006 at 2-1: a transfer was refused {codes}, after 0 transfers and 0 bytes. Call RecoverAsync to go on.", MessageOf(fault));
        BulkInException exception = fault.ToException(Guarded());
        Assert.Equal((-1, systemError), (exception.NativeCode, exception.SystemError));
    }

    [Fact]
    public void ToException_EachWayOn_IsTheLastSentence()
    {
        Fault byItself = Stall();
        byItself.RecoversByItself = true;
        Fault paused = Stall();
        paused.MetOnTheWayTo = BulkInState.Paused;
        Fault stopped = Stall();
        stopped.MetOnTheWayTo = BulkInState.Stopped;

        Assert.Equal(
            [
                "The queue recovers by itself; go on receiving.",
                "The queue gave up after 5 attempts; call RecoverAsync to try again.",
                "It was met while the queue was being paused and is thrown once; ResumeAsync recovers from it.",
                "It was met while the queue was being stopped and is thrown once.",
                "Restore what was taken (claim, alternate setting), then call RecoverAsync.",
                "Call RecoverAsync to go on.",
            ],
            new[] { byItself, Stall().GivenUp(5), paused, stopped, Fault.OfTransfer(TransferStatus.Cancelled, 3), Stall() }
                .Select(fault => MessageOf(fault).Split(" bytes. ")[1]));
    }

    [Fact]
    public void ToException_BackendHasARemedy_EndsWithIt()
    {
        _transport.Setup(t => t.GetRemedy(BulkInError.Stall, It.IsAny<BackendResult>())).Returns("Do this.");

        Assert.EndsWith("bytes. Call RecoverAsync to go on. Do this.", MessageOf(Stall()), StringComparison.Ordinal);
    }

    [Fact]
    public void OfCall_RefusedAtOpen_SaysWhatFailedAndWhyAndNothingOfTheStream()
    {
        _transport.Setup(t => t.GetRemedy(BulkInError.OutOfMemory, It.IsAny<BackendResult>())).Returns("Raise the limit.");

        BulkInException exception = FaultMessage.OfCall(Guarded(), "cannot post", Fault.OfCall(new BackendResult(BackendStatus.NoMemory, -11)));

        Assert.Equal("Endpoint 0x84 of 17e9:6006 at 2-1: cannot post: no memory for USB buffers (NoMemory -11). Raise the limit.", exception.Message);
        Assert.Equal((BulkInError.OutOfMemory, -11, (byte)0x84), (exception.Error, exception.NativeCode, exception.Endpoint));
    }

    private static Fault Stall() => Fault.OfTransfer(TransferStatus.Stall, 4);

    private string MessageOf(Fault fault) => fault.ToException(Guarded()).Message;

    private GuardedBackend Guarded()
    {
        _transport.Setup(t => t.Endpoint).Returns(new BulkInEndpoint(0x84, EndpointTransferType.Bulk, 512) { DeviceName = _deviceName });
        return new GuardedBackend(_transport.Object, NullLogger.Instance);
    }
}
