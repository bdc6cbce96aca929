using BulkIn.Backends;
using BulkIn.LibUsb;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace BulkIn.Tests.LibUsb;

public sealed class LibUsbBackendTests : IDisposable
{
    private static readonly BulkInQueueOptions Small = new() { Depth = 2, SpareBuffers = 1, BufferLength = 4096 };

    private readonly FakeLibUsb _fake = new();

    public void Dispose()
    {
        Assert.Empty(_fake.Accusations);
        Assert.Equal(0, _fake.OpenConfigurations);
        _fake.Dispose();
    }

    [Theory]
    [InlineData("Linux", BulkInCapabilities.OwnerMayClose)]
    [InlineData("Windows", BulkInCapabilities.OwnerMayClose | BulkInCapabilities.ClearsHaltItself | BulkInCapabilities.StallMayMeanGone)]
    [InlineData("MacOS", BulkInCapabilities.OwnerMayClose | BulkInCapabilities.CancelAbortsEndpoint)]
    public void Capabilities_ForeignHandle_AreThoseOfThePlatform(string platform, BulkInCapabilities expected)
    {
        using var handle = new ForeignHandle(_fake);
        using LibUsbBackend backend = Open(handle, Small, Enum.Parse<LibUsbPlatform>(platform));

        Assert.Equal(expected, backend.Capabilities);
        Assert.Equal(new BulkInEndpoint(0x84, EndpointTransferType.Bulk, 1024) { DeviceName = "17e9:6006 at 250-1.3" }, backend.Endpoint);
        Assert.Null(backend.AllocateBuffer(4096));
    }

    [Fact]
    public void RawIo_SizesAllow_IsEnabledReportedAndTakenBack()
    {
        _fake.RawIoLimit = 65536;
        using var handle = new ForeignHandle(_fake);
        using (LibUsbBackend backend = Open(handle, Small, LibUsbPlatform.Windows))
        {
            Assert.Equal(BulkInCapabilities.OwnerMayClose | BulkInCapabilities.RawIo | BulkInCapabilities.StallMayMeanGone, backend.Capabilities);
            Assert.Contains("set_raw_io on", _fake.Calls);
            Assert.DoesNotContain("set_raw_io off", _fake.Calls);
        }

        Assert.Contains("set_raw_io off", _fake.Calls);
    }

    [Theory]
    [InlineData(2048, 4096)]
    [InlineData(65536, 4097)]
    public void RawIo_SizesDoNotAllow_StaysOff(int limit, int length)
    {
        _fake.RawIoLimit = limit;
        using var handle = new ForeignHandle(_fake);
        using LibUsbBackend backend = Open(handle, Small with { BufferLength = length }, LibUsbPlatform.Windows);

        Assert.True(backend.Capabilities.HasFlag(BulkInCapabilities.ClearsHaltItself));
        Assert.DoesNotContain("set_raw_io on", _fake.Calls);
    }

    [Fact]
    public void ForForeignHandle_SecondQueueOnTheEndpoint_IsRefusedAndNamesTheFirst()
    {
        using var handle = new ForeignHandle(_fake);
        using (LibUsbBackend first = Open(handle, Small))
        {
            InvalidOperationException thrown = Assert.Throws<InvalidOperationException>(() => Open(handle, Small));
            Assert.Contains("17e9:6006 at 250-1.3, 2 transfers of 4096 bytes", thrown.Message, StringComparison.Ordinal);
        }

        Open(handle, Small).Dispose();
    }

    [Fact]
    public void ForForeignHandle_NumberOfAClosedHandleUsedAgain_IsAccepted()
    {
        var closed = new ForeignHandle(_fake);
        nint number = closed.Native;
        using IDisposable stale = EndpointRegistry.Reserve(closed, number, 0x84, "the old one");
        using var alive = new ForeignHandle(_fake);
        Assert.Throws<InvalidOperationException>(() => EndpointRegistry.Reserve(alive, number, 0x84, "the new one"));
        closed.Dispose();

        using IDisposable reserved = EndpointRegistry.Reserve(alive, number, 0x84, "the new one");
        stale.Dispose();
        Assert.Throws<InvalidOperationException>(() => EndpointRegistry.Reserve(alive, number, 0x84, "a third"));
    }

    [Fact]
    public void ForForeignHandle_BadArguments_AreRefusedBeforeAnyNativeCall()
    {
        Func<ILibUsb> load = () => throw new InvalidOperationException("libusb was loaded for nothing");
        using var handle = new ForeignHandle(_fake);
        int calls = _fake.Calls.Count;

        Assert.Throws<ArgumentNullException>(() => LibUsbBackend.ForForeignHandle(load, null!, 0x84, Small, LibUsbPlatform.Linux));
        Assert.Throws<ArgumentOutOfRangeException>(() => LibUsbBackend.ForForeignHandle(load, handle, 0x04, Small, LibUsbPlatform.Linux));
        Assert.Throws<ArgumentOutOfRangeException>(() => LibUsbBackend.ForForeignHandle(load, handle, 0x84, Small with { Depth = 0 }, LibUsbPlatform.Linux));
        handle.Dispose();
        Assert.Throws<ObjectDisposedException>(() => LibUsbBackend.ForForeignHandle(load, handle, 0x84, Small, LibUsbPlatform.Linux));
        Assert.Equal(calls, _fake.Calls.Count);
    }

    [Fact]
    public void DeviceMemory_AskedFor_IsUsedForEveryBufferAndUnmappedAtTheEnd()
    {
        _fake.DeviceMemoryLimit = 100;
        using var handle = new ForeignHandle(_fake);
        LibUsbBackend backend = Open(handle, Small with { Memory = BulkInMemory.Device });
        Assert.True(backend.Capabilities.HasFlag(BulkInCapabilities.DeviceMemory));
        Assert.Equal(3, _fake.Mapped);

        TransferBuffer first = backend.AllocateBuffer(4096)!;
        Assert.NotNull(first);
        Assert.Equal(-1, first.Memory.Span.IndexOfAnyExcept((byte)0));
        first.Memory.Span.Fill(7);
        Memory<byte> memory = first.Memory;
        first.Dispose();
        first.Dispose();
        Assert.Throws<ObjectDisposedException>(() => memory.Span.Length);
        Assert.Throws<ObjectDisposedException>(() => first.Address);
        Assert.Null(backend.AllocateBuffer(8192));

        backend.Dispose();
        Assert.Equal(0, _fake.Mapped);
    }

    [Theory]
    [InlineData(2, 0)]
    [InlineData(-1, 0)]
    [InlineData(100, 0xA5)]
    public void DeviceMemory_ShortOrUnsound_FallsBackAltogether(int limit, byte fill)
    {
        _fake.DeviceMemoryLimit = limit;
        _fake.DeviceMemoryFill = fill;
        using var handle = new ForeignHandle(_fake);
        using LibUsbBackend backend = Open(handle, Small with { Memory = BulkInMemory.Device });

        Assert.False(backend.Capabilities.HasFlag(BulkInCapabilities.DeviceMemory));
        Assert.Null(backend.AllocateBuffer(4096));
        Assert.Equal(0, _fake.Mapped);
    }

    [Fact]
    public void DeviceMemory_SelfCheck_FindsWhatIsNotMemory()
    {
        byte[] memory = new byte[8192];
        Assert.True(DeviceMemoryBuffer.IsSound(memory));
        Assert.Equal(-1, memory.AsSpan().IndexOfAnyExcept((byte)0));
        memory[8191] = 1;
        Assert.False(DeviceMemoryBuffer.IsSound(memory));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(-4, -4)]
    [InlineData(-99, -99)]
    public async Task ClearHaltAsync_AnyAnswer_IsReturned(int code, int expected)
    {
        _fake.Fail = call => call == "clear_halt" ? code : 0;
        using var handle = new ForeignHandle(_fake);
        using LibUsbBackend backend = Open(handle, Small);

        Assert.Equal(expected, (await backend.ClearHaltAsync()).NativeCode);
    }

    [Fact]
    public async Task ClearHaltAndProbe_HandleClosed_MakeNoNativeCall()
    {
        var handle = new ForeignHandle(_fake);
        using LibUsbBackend backend = Open(handle, Small);
        Assert.False(backend.IsClosed);
        handle.Dispose();
        Assert.True(backend.IsClosed);

        Assert.Equal(BackendStatus.HandleClosed, (await backend.ClearHaltAsync()).Status);
        Assert.Equal(DevicePresence.Unknown, await backend.ProbeAsync(TimeSpan.FromSeconds(5)));
        Assert.DoesNotContain("clear_halt", _fake.Calls);
        Assert.DoesNotContain("submit", _fake.Calls);
    }

    [Theory]
    [InlineData(0, DevicePresence.Present)]
    [InlineData(4, DevicePresence.Present)]
    [InlineData(6, DevicePresence.Present)]
    [InlineData(1, DevicePresence.Unknown)]
    [InlineData(3, DevicePresence.Unknown)]
    public async Task ProbeAsync_StatusOfTheRequest_Decides(int status, DevicePresence expected)
    {
        using var handle = new ForeignHandle(_fake);
        using LibUsbBackend backend = Open(handle, Small);
        byte[] setup = [];
        _fake.OnSubmit = view =>
        {
            setup = view.Bytes[..8];
            return 0;
        };

        Task<DevicePresence> probe = backend.ProbeAsync(TimeSpan.FromSeconds(60)).AsTask();
        _fake.CompleteNow(_fake.WaitForPosted(1)[0], status, [0, 0]);

        Assert.Equal(expected, await probe.WaitAsync(TimeSpan.FromSeconds(20)));
        Assert.Equal([0x80, 0, 0, 0, 0, 0, 2, 0], setup);
        _fake.WaitForCall("free_transfer");
        Assert.Equal(0, _fake.Live);
    }

    [Theory]
    [InlineData("Linux", -4, DevicePresence.Gone)]
    [InlineData("Linux", -1, DevicePresence.Unknown)]
    [InlineData("Windows", -1, DevicePresence.Unknown)]
    public async Task ProbeAsync_SubmitRefused_OnlyNoDeviceProves(string platform, int code, DevicePresence expected)
    {
        using var handle = new ForeignHandle(_fake);
        using LibUsbBackend backend = Open(handle, Small, Enum.Parse<LibUsbPlatform>(platform));
        _fake.OnSubmit = _ => code;

        Assert.Equal(expected, await backend.ProbeAsync(TimeSpan.FromSeconds(60)));
        Assert.Equal(0, _fake.Live);
    }

    [Theory]
    [InlineData("Linux", 5, 0, DevicePresence.Gone)]
    [InlineData("Linux", 0, 0, DevicePresence.Present)]
    [InlineData("Linux", 0, -4, DevicePresence.Gone)]
    [InlineData("Linux", 0, -1, DevicePresence.Unknown)]
    [InlineData("Windows", 0, -1, DevicePresence.Gone)]
    public async Task ProbeAsync_EndsAsNoDevice_AsksOnceMore(string platform, int secondStatus, int secondSubmit, DevicePresence expected)
    {
        using var handle = new ForeignHandle(_fake);
        using LibUsbBackend backend = Open(handle, Small, Enum.Parse<LibUsbPlatform>(platform));
        int submits = 0;
        _fake.OnSubmit = _ => submits++ == 0 ? 0 : secondSubmit;

        Task<DevicePresence> probe = backend.ProbeAsync(TimeSpan.FromSeconds(60)).AsTask();
        _fake.CompleteNow(_fake.WaitForPosted(1)[0], 5, []);
        if (secondSubmit == 0)
        {
            _fake.CompleteNow(_fake.WaitForPosted(1)[0], secondStatus, []);
        }

        Assert.Equal(expected, await probe.WaitAsync(TimeSpan.FromSeconds(20)));
    }

    [Fact]
    public async Task ProbeAsync_Silence_IsPresentAndTheRequestIsFreedOnlyAfterItsCallback()
    {
        var time = new FakeTimeProvider();
        _fake.CompleteOnCancel = false;
        using var handle = new ForeignHandle(_fake);
        using LibUsbBackend backend = Open(handle, Small with { TimeProvider = time });

        Task<DevicePresence> probe = backend.ProbeAsync(TimeSpan.FromSeconds(1)).AsTask();
        nint request = _fake.WaitForPosted(1)[0];
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(DevicePresence.Present, await probe.WaitAsync(TimeSpan.FromSeconds(20)));
        _fake.WaitForCall("cancel");
        Assert.Equal(1, _fake.Live);

        _fake.CompleteNow(request, (int)TransferStatus.Cancelled, []);
        _fake.WaitForCall("free_transfer");
    }

    [Theory]
    [InlineData("Linux", BulkInError.AccessDenied, BackendStatus.Access, 0, "ATTR{idVendor}==\"17e9\", ATTR{idProduct}==\"6006\", TAG+=\"uaccess\"")]
    [InlineData("Windows", BulkInError.AccessDenied, BackendStatus.Access, 0, "WinUSB")]
    [InlineData("Windows", BulkInError.NotSupported, BackendStatus.NotSupported, 0, "Zadig")]
    [InlineData("Linux", BulkInError.Busy, BackendStatus.Busy, 0, "detachKernelDriver: true")]
    [InlineData("Windows", BulkInError.SubmitFailed, BackendStatus.NotFound, 0, "Claim the interface first")]
    [InlineData("Linux", BulkInError.SubmitFailed, BackendStatus.Io, 0, "LIBUSB_DEBUG=3")]
    [InlineData("Linux", BulkInError.SubmitFailed, BackendStatus.Io, 2, "alternate setting")]
    [InlineData("Linux", BulkInError.SubmitFailed, BackendStatus.Io, 16, "kernel driver")]
    [InlineData("Linux", BulkInError.SubmitFailed, BackendStatus.Io, 113, "suspended")]
    [InlineData("Linux", BulkInError.OutOfMemory, BackendStatus.NoMemory, 0, "fewer or smaller buffers")]
    [InlineData("Linux", BulkInError.TransferError, BackendStatus.Success, 0, "cable, hub and power")]
    [InlineData("Linux", BulkInError.TransferError, BackendStatus.Success, 0, "LIBUSB_DEBUG=3")]
    [InlineData("Linux", BulkInError.Overflow, BackendStatus.Success, 0, "max packet size")]
    [InlineData("Linux", BulkInError.HandleClosed, BackendStatus.HandleClosed, 0, "before the device")]
    [InlineData("Linux", BulkInError.DeviceGone, BackendStatus.NoDevice, 0, "open both again")]
    [InlineData("Linux", BulkInError.Unknown, BackendStatus.Other, 0, "LIBUSB_DEBUG=3")]
    public void GetRemedy_ByPlatformAndCode_SaysWhatToDo(string platform, BulkInError error, BackendStatus status, int errno, string expected)
    {
        using var handle = new ForeignHandle(_fake);
        using LibUsbBackend backend = Open(handle, Small, Enum.Parse<LibUsbPlatform>(platform));

        Assert.Contains(expected, backend.GetRemedy(error, new BackendResult(status, SystemError: errno)), StringComparison.Ordinal);
    }

    private LibUsbBackend Open(ForeignHandle handle, BulkInQueueOptions options, LibUsbPlatform platform = LibUsbPlatform.Linux) =>
        LibUsbBackend.ForForeignHandle(() => _fake, handle, 0x84, options, platform);
}
