using BulkIn.VirtualUsb;
using Xunit;

namespace BulkIn.KernelBenchTests;

public sealed class VirtualUsbDeviceTests : IDisposable
{
    private const byte In = 0x84;
    private const byte Out = 0x02;

    private readonly FakeHost _host = new();

    public VirtualUsbDeviceTests() => Skip.IfNot(OperatingSystem.IsLinux(), "Socket pairs as the kernel takes them are Linux'.");

    public void Dispose() => _host.Dispose();

    [SkippableFact]
    public void Complete_InWithData_AnswersOnce()
    {
        var function = new RecordingFunction();
        using VirtualUsbDevice device = _host.Plug(function);
        uint sequence = _host.Submit(In, 16);
        Urb urb = function.NextSubmitted();

        Assert.True(urb.Complete([1, 2, 3]));

        Assert.False(urb.Complete([4]));
        Assert.True(urb.IsAnswered);
        Assert.Equivalent(new FakeHost.Reply(IsSubmit: true, sequence, 0, 3, [1, 2, 3]), _host.Read());
        Assert.Equal(0, device.Pending);
    }

    [SkippableFact]
    public void Complete_MoreThanAskedFor_IsCutOff()
    {
        var function = new RecordingFunction();
        using VirtualUsbDevice device = _host.Plug(function);
        _host.Submit(In, 2);

        function.NextSubmitted().Complete([1, 2, 3]);

        Assert.Equal([1, 2], _host.Read().Data);
    }

    [SkippableFact]
    public void Complete_Out_AnswersItsLengthWithoutData()
    {
        var function = new RecordingFunction();
        using VirtualUsbDevice device = _host.Plug(function);
        _host.Submit(Out, 3, 7, 8, 9);
        Urb urb = function.NextSubmitted();

        Assert.Equal([7, 8, 9], urb.Data.ToArray());
        Assert.True(urb.Complete());

        Assert.Equal(3, _host.Read(withData: false).Length);
    }

    [SkippableFact]
    public void CompleteTaken_PartOfAnOut_AnswersThatPart()
    {
        var function = new RecordingFunction();
        using VirtualUsbDevice device = _host.Plug(function);
        _host.Submit(Out, 3, 7, 8, 9);

        Assert.True(function.NextSubmitted().CompleteTaken(1, UrbStatus.Stall));

        FakeHost.Reply reply = _host.Read(withData: false);
        Assert.Equal((1, UrbStatus.Stall), (reply.Length, reply.Status));
    }

    [SkippableFact]
    public void CompleteTaken_In_IsRefused()
    {
        var function = new RecordingFunction();
        using VirtualUsbDevice device = _host.Plug(function);
        _host.Submit(In, 3);

        Assert.Throws<InvalidOperationException>(() => function.NextSubmitted().CompleteTaken(1));
    }

    [SkippableFact]
    public void Submitted_Echo_AnswersWithWhatTheHostSent()
    {
        using VirtualUsbDevice device = _host.Plug(new Echo());
        uint waiting = _host.Submit(In, 16);

        uint sent = _host.Submit(Out, 3, 7, 8, 9);

        Assert.Equal(sent, _host.Read(withData: false).Sequence);
        FakeHost.Reply reply = _host.Read();
        Assert.Equal(waiting, reply.Sequence);
        Assert.Equal([7, 8, 9], reply.Data);
    }

    [SkippableFact]
    public void Unlinking_ByDefault_GivesTheUrbBack()
    {
        var function = new RecordingFunction();
        using VirtualUsbDevice device = _host.Plug(function);
        uint urb = _host.Submit(In, 16);

        uint unlink = _host.Unlink(urb);

        Assert.Equivalent(new FakeHost.Reply(IsSubmit: false, unlink, UrbStatus.Unlinked, 0, []), _host.Read());
        Assert.False(function.NextSubmitted().Complete([1]));
    }

    [SkippableFact]
    public void Complete_WhileUnlinking_GoesOutBeforeTheUnlinksAnswer()
    {
        var function = new RecordingFunction { KeepsUnlinks = true };
        using VirtualUsbDevice device = _host.Plug(function);
        uint sequence = _host.Submit(In, 16);
        uint unlink = _host.Unlink(sequence);
        Urb urb = function.NextUnlinking();
        Assert.True(urb.IsUnlinking);

        Assert.True(urb.Complete([1, 2]));

        Assert.False(urb.ConfirmUnlink());
        Assert.Equivalent(new FakeHost.Reply(IsSubmit: true, sequence, 0, 2, [1, 2]), _host.Read());
        Assert.Equivalent(new FakeHost.Reply(IsSubmit: false, unlink, 0, 0, []), _host.Read());
    }

    [SkippableFact]
    public void Unlink_OfAnAnsweredUrb_SaysSoAndTellsTheFunctionThatItCameTooLate()
    {
        var function = new RecordingFunction { OnSubmitted = urb => urb.Complete([1]) };
        using VirtualUsbDevice device = _host.Plug(function);
        uint sequence = _host.Submit(In, 16);
        Assert.True(_host.Read().IsSubmit);

        uint unlink = _host.Unlink(sequence);

        Assert.Equivalent(new FakeHost.Reply(IsSubmit: false, unlink, 0, 0, []), _host.Read());
        Assert.False(function.NextSubmitted().IsUnlinking);
        Assert.Equal(sequence, function.NextUnlinkedTooLate());
    }

    [SkippableFact]
    public async Task Unlink_WhileTheAnswerIsBeingWritten_IsAnsweredBehindIt()
    {
        // More than the socket holds, so the answer is still being written when the unlink arrives.
        const int Length = 4 * 1024 * 1024;
        var function = new RecordingFunction();
        using VirtualUsbDevice device = _host.Plug(function);
        uint sequence = _host.Submit(In, Length);
        Urb urb = function.NextSubmitted();
        Task<bool> answer = Task.Run(() => urb.Complete(new byte[Length]));
        byte[] begun = _host.Receive(1);
        uint unlink = _host.Unlink(sequence);

        FakeHost.Reply first = _host.Read(begun);
        FakeHost.Reply second = _host.Read();

        Assert.Equal((true, sequence, Length), (first.IsSubmit, first.Sequence, first.Length));
        Assert.Equal((false, unlink, 0), (second.IsSubmit, second.Sequence, second.Status));
        Assert.True(await answer.WaitAsync(TimeSpan.FromSeconds(30)), "The answer was refused.");
    }

    [SkippableFact]
    public void Halt_PostedAndLater_AreStalledUntilTheHostClearsIt()
    {
        var function = new RecordingFunction();
        using VirtualUsbDevice device = _host.Plug(function);
        _host.Submit(In, 16);
        function.NextSubmitted();

        device.Halt(In);
        _host.Submit(In, 16);

        Assert.Equal([UrbStatus.Stall, UrbStatus.Stall], [_host.Read().Status, _host.Read().Status]);
        Assert.True(device.IsHalted(In));

        _host.Ask(new SetupPacket(0x02, 1, 0, In, 0));
        Assert.Equal(0, _host.Read().Status);
        Assert.False(device.IsHalted(In));
        _host.Submit(In, 16);
        Assert.True(function.NextSubmitted().Complete([1]));
    }

    [SkippableFact]
    public void Control_HostSetsTheHalt_StallsWhatIsPosted()
    {
        var function = new RecordingFunction();
        using VirtualUsbDevice device = _host.Plug(function);
        uint posted = _host.Submit(In, 16);
        function.NextSubmitted();

        uint request = _host.Ask(new SetupPacket(0x02, 3, 0, In, 0));

        FakeHost.Reply first = _host.Read(), second = _host.Read();
        Assert.Equal((request, 0), (first.Sequence, first.Status));
        Assert.Equal((posted, UrbStatus.Stall), (second.Sequence, second.Status));
        _host.Ask(new SetupPacket(0x82, 0, 0, In, 2));
        Assert.Equal([1, 0], _host.Read().Data);
    }

    [SkippableFact]
    public void Submitted_FunctionThrows_UnplugsAndKeepsTheFailure()
    {
        var function = new RecordingFunction { OnSubmitted = _ => throw new NotSupportedException("broken on purpose") };
        using VirtualUsbDevice device = _host.Plug(function);

        _host.Submit(In, 16);

        Assert.True(function.WaitUntilUnplugged(), "The function was not told.");
        Assert.True(_host.ReadsTheEnd());
        Assert.IsType<NotSupportedException>(device.Failure);
    }

    [SkippableFact]
    public void Plug_HostSendsGarbage_UnplugsAndKeepsTheFailure()
    {
        var function = new RecordingFunction();
        using VirtualUsbDevice device = _host.Plug(function);

        _host.SendGarbage();

        Assert.True(function.WaitUntilUnplugged(), "The function was not told.");
        Assert.IsType<InvalidDataException>(device.Failure);
    }

    [SkippableFact]
    public void Complete_AfterUnplugging_IsRefusedInsteadOfThrowing()
    {
        var function = new RecordingFunction();
        VirtualUsbDevice device = _host.Plug(function);
        _host.Submit(In, 16);
        Urb urb = function.NextSubmitted();

        device.Dispose();

        Assert.False(urb.Complete([1]));
        Assert.False(urb.ConfirmUnlink());
        Assert.True(_host.ReadsTheEnd());
        Assert.Null(device.Failure);
    }

    [SkippableFact]
    public void Dispose_InTheFunctionsOwnMethod_DoesNotWaitForItself()
    {
        var leaving = new LeavingFunction();
        using VirtualUsbDevice device = _host.Plug(leaving);

        _host.Submit(Out, 1, 1);

        Assert.True(leaving.Left.Wait(TimeSpan.FromSeconds(30)), "Dispose did not return.");
        Assert.True(_host.ReadsTheEnd());
    }

    [SkippableFact]
    public async Task Dispose_TwiceAtOnce_IsIdempotent()
    {
        VirtualUsbDevice device = _host.Plug(new RecordingFunction());

        await Task.WhenAll(Task.Run(device.Dispose), Task.Run(device.Dispose)).WaitAsync(TimeSpan.FromSeconds(30));

        device.Dispose();
        Assert.True(_host.ReadsTheEnd());
    }

    [SkippableFact]
    public void Plug_SameFunctionTwice_IsRefused()
    {
        var function = new RecordingFunction();
        using VirtualUsbDevice device = _host.Plug(function);
        using var other = new FakeHost();

        Assert.Throws<InvalidOperationException>(() => other.Plug(function));
        Assert.Same(device, function.Device);
    }

    [SkippableFact]
    public void Plug_HostRefuses_LeavesTheFunctionFree()
    {
        var function = new RecordingFunction();
        Assert.Throws<IOException>(() => VirtualUsbDevice.Plug(FakeHost.Dock, function, _ => throw new IOException("no port")));

        using VirtualUsbDevice device = _host.Plug(function);

        Assert.Same(device, function.Device);
    }

    [SkippableFact]
    public void Plug_FunctionThrowsWhileBeingConfigured_TellsWhatItThrew()
    {
        using var host = new FakeHost { Directory = null };
        var function = new RefusingFunction(host);

        InvalidOperationException exception = Assert.Throws<InvalidOperationException>(() => host.Plug(function));

        Assert.Contains("broken on purpose", exception.Message, StringComparison.Ordinal);
        Assert.IsType<NotSupportedException>(exception.InnerException);
    }

    [Fact]
    public void Device_BeforePlugging_IsRefused() => Assert.Throws<InvalidOperationException>(() => new RecordingFunction().Device);

    private sealed class LeavingFunction : UsbFunction
    {
        public ManualResetEventSlim Left { get; } = new();

        public override void Submitted(Urb urb)
        {
            Device.Dispose();
            Left.Set();
        }
    }

    /// <summary>Throws when the host asks anything, which it does before the device is configured.</summary>
    private sealed class RefusingFunction : UsbFunction
    {
        public RefusingFunction(FakeHost host) => host.OnAttached = () => host.Ask(new SetupPacket(0x80, 6, 0x0100, 0, 18));

        public override void Submitted(Urb urb)
        {
        }

        public override bool Control(Urb urb) => throw new NotSupportedException("broken on purpose");
    }
}
