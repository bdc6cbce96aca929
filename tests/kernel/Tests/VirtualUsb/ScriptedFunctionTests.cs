using BulkIn.DeviceScript;
using BulkIn.VirtualUsb;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace BulkIn.KernelBenchTests;

public sealed class ScriptedFunctionTests : IDisposable
{
    private const byte In = 0x84;
    private const byte Out = 0x02;
    private const int Length = 64;

    private readonly FakeHost _host = new();
    private readonly FakeTimeProvider _time = new();

    public ScriptedFunctionTests() => Skip.IfNot(OperatingSystem.IsLinux(), "Socket pairs as the kernel takes them are Linux'.");

    public void Dispose() => _host.Dispose();

    [SkippableFact]
    public void Data_SeveralUrbs_AreNumberedInTheOrderSubmitted()
    {
        using ScriptedFunction function = _host.Plug("on 0x84\ndata 20\ndata full\ndata hex 00ff");
        _host.Submit(In, Length);
        _host.Submit(In, Length);
        _host.Submit(In, Length);

        RequireNumber(0, 20);
        RequireNumber(1, Length);
        Assert.Equal([0x00, 0xff], _host.Read().Data);
    }

    [SkippableFact]
    public void Data_AfterADelay_WaitsWithoutHoldingUpTheNext()
    {
        using ScriptedFunction function = _host.Plug("on 0x84\ndata 20 after 50ms\ndata 20", _time);
        uint first = _host.Submit(In, Length);
        uint second = _host.Submit(In, Length);

        Assert.Equal(second, _host.Read().Sequence);
        _time.Advance(TimeSpan.FromMilliseconds(60));

        FakeHost.Reply late = _host.Read();
        Assert.Equal(first, late.Sequence);
        Assert.Equal(0, SequencedPayload.Read(late.Data));
    }

    [SkippableFact]
    public void Fail_WithAndWithoutBytes_GivesTheStatus()
    {
        using ScriptedFunction function = _host.Plug("on 0x84\nfail error\nfail -7 with 20\ndata 20 status overflow");
        for (int count = 0; count < 3; count++)
        {
            _host.Submit(In, Length);
        }

        Assert.Equal((UrbStatus.Protocol, 0), StatusAndLength());
        Assert.Equal((-7, 20), StatusAndLength());
        Assert.Equal((UrbStatus.Overflow, 20), StatusAndLength());
    }

    [SkippableFact]
    public void Release_Reverse_AnswersTheNewestFirstWithItsOwnNumber()
    {
        using ScriptedFunction function = _host.Plug("on 0x84\nhold 3\nrelease reverse 20");
        uint[] submitted = [_host.Submit(In, Length), _host.Submit(In, Length), _host.Submit(In, Length)];

        for (int number = 2; number >= 0; number--)
        {
            FakeHost.Reply reply = _host.Read();
            Assert.Equal(submitted[number], reply.Sequence);
            Assert.Equal(number, SequencedPayload.Read(reply.Data));
        }
    }

    [SkippableFact]
    public void Expect_UntilAnOutArrives_HoldsTheAnswer()
    {
        using ScriptedFunction function = _host.Plug("on 0x84\nexpect 1\ndata 20\nrepeat");
        uint reply = _host.Submit(In, Length);

        uint command = _host.Submit(Out, 1, 7);

        Assert.Equal(command, _host.Read(withData: false).Sequence);
        Assert.Equal(reply, _host.Read().Sequence);
        Assert.Equal(1, function.OutTransfers);
    }

    [SkippableFact]
    public void Silence_UntilWoken_HoldsTheAnswer()
    {
        using ScriptedFunction function = _host.Plug("on 0x84\nsilence\ndata 20");
        uint waiting = _host.Submit(In, Length);
        _host.Submit(Out, 1, 7);
        Assert.NotEqual(waiting, _host.Read(withData: false).Sequence);

        function.Wake(In);

        Assert.Equal(waiting, _host.Read().Sequence);
    }

    [SkippableFact]
    public void Halt_OfTheScript_StallsThenGoesOnWhenCleared()
    {
        using ScriptedFunction function = _host.Plug("on 0x84\ndata 20\nhalt\ndata 20");
        _host.Submit(In, Length);
        _host.Submit(In, Length);
        RequireNumber(0, 20);
        Assert.Equal(UrbStatus.Stall, StatusAndLength().Status);

        _host.Ask(new SetupPacket(0x02, 1, 0, In, 0));
        Assert.Equal(0, StatusAndLength().Status);
        _host.Submit(In, Length);

        RequireNumber(1, 20);
    }

    [SkippableFact]
    public void Halt_OfTheProgram_CostsTheScriptNoTransfer()
    {
        using ScriptedFunction function = _host.Plug("on 0x84\nsilence\ndata 20");
        _host.Submit(In, Length);
        _host.Submit(Out, 1, 7);
        _host.Read(withData: false);
        function.Device.Halt(In);
        Assert.Equal(UrbStatus.Stall, StatusAndLength().Status);
        function.Wake(In);
        _host.Ask(new SetupPacket(0x02, 1, 0, In, 0));
        _host.Read();

        _host.Submit(In, Length);

        RequireNumber(0, 20);
    }

    [SkippableFact]
    public void Unlink_Late_IsConfirmedAfterItsTime()
    {
        using ScriptedFunction function = _host.Plug("on 0x84\nunlink late 200ms\nsilence", _time);
        uint urb = _host.Submit(In, Length);
        uint unlink = _host.Unlink(urb);
        // Whatever is answered behind the unlink shows that the unlink itself was not.
        uint command = _host.Submit(Out, 1, 7);
        Assert.Equal(command, _host.Read(withData: false).Sequence);

        _time.Advance(TimeSpan.FromMilliseconds(250));

        FakeHost.Reply reply = _host.Read();
        Assert.Equal((unlink, UrbStatus.Unlinked), (reply.Sequence, reply.Status));
    }

    [SkippableFact]
    public void Unlink_Never_IsNotAnswered()
    {
        using ScriptedFunction function = _host.Plug("on 0x84\nunlink never\nsilence");
        _host.Unlink(_host.Submit(In, Length));
        uint command = _host.Submit(Out, 1, 7);

        Assert.Equal(command, _host.Read(withData: false).Sequence);
        Assert.Equal(1, function.Device.Pending);
    }

    [SkippableFact]
    public void Unlink_WithDataNewestFirst_NumbersByTheOrderSubmitted()
    {
        using ScriptedFunction function = _host.Plug("on 0x84\ndata 20\nunlink data 20\nsilence");
        uint[] submitted = [_host.Submit(In, Length), _host.Submit(In, Length), _host.Submit(In, Length)];
        RequireNumber(0, 20);

        _host.Unlink(submitted[2]);
        _host.Unlink(submitted[1]);

        RequireNumber(2, 20);
        Assert.False(_host.Read().IsSubmit);
        RequireNumber(1, 20);
        Assert.False(_host.Read().IsSubmit);
    }

    [SkippableFact]
    public void Unplug_OfTheScript_HangsUp()
    {
        using ScriptedFunction function = _host.Plug("on 0x84\ndata 20\nunplug");

        _host.Submit(In, Length);

        RequireNumber(0, 20);
        Assert.True(_host.ReadsTheEnd());
    }

    [SkippableFact]
    public void Repeat_SoOften_ThenGoesOn()
    {
        using ScriptedFunction function = _host.Plug("on 0x84\ndata 20\nrepeat 2\nfail stall");
        for (int count = 0; count < 3; count++)
        {
            _host.Submit(In, Length);
        }

        RequireNumber(0, 20);
        RequireNumber(1, 20);
        Assert.Equal(UrbStatus.Stall, StatusAndLength().Status);
    }

    [SkippableFact]
    public void Wake_UnknownEndpoint_IsRefused()
    {
        using ScriptedFunction function = _host.Plug("on 0x84\ndata 20");

        Assert.Throws<ArgumentException>(() => function.Wake(0x81));
    }

    private (int Status, int Length) StatusAndLength() => _host.Read() is var reply ? (reply.Status, reply.Length) : default;

    private void RequireNumber(long number, int length)
    {
        FakeHost.Reply reply = _host.Read();
        Assert.Equal((0, length), (reply.Status, reply.Length));
        Assert.Equal(-1, SequencedPayload.FirstDifference(reply.Data, number));
    }
}
