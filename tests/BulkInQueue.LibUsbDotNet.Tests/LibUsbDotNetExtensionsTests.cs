using System.Collections.ObjectModel;
using LibUsbDotNet;
using LibUsbDotNet.Info;
using LibUsbDotNet.LibUsb;
using LibUsbDotNet.Main;
using Moq;
using Xunit;

namespace BulkIn;

public class LibUsbDotNetExtensionsTests
{
    private readonly Mock<IUsbDevice> _device = new();

    [Fact]
    public void OpenBulkInQueue_DeviceNotOpen_SaysWhatToCall()
    {
        InvalidOperationException refused = Assert.Throws<InvalidOperationException>(() => _device.Object.OpenBulkInQueue(ReadEndpointID.Ep04, 4, 1024));

        Assert.Contains("Open and ClaimInterface", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void OpenBulkInQueue_NullDevice_Throws() =>
        Assert.Throws<ArgumentNullException>("device", () => ((IUsbDevice)null!).OpenBulkInQueue(0x84));

    [SkippableFact]
    public void OpenBulkInQueue_ClosedHandle_Throws()
    {
        Skip.IfNot(IsLibUsbInstalled(), "libusb is not installed here.");
        Configure(1, Setting(0, 0, 0x84));
        DeviceHandle handle = DeviceHandle.DangerousCreate(0x1000, ownsHandle: false);
        handle.Dispose();
        _device.Setup(static d => d.DeviceHandle).Returns(handle);

        Assert.Throws<ObjectDisposedException>(() => _device.Object.OpenBulkInQueue(ReadEndpointID.Ep04));
    }

    [SkippableFact]
    public void Paths_LibUsbDotNetAndThisLibraryLoaded_AreOneFile()
    {
        Skip.IfNot(IsLibUsbInstalled(), "libusb is not installed here.");
        using UsbContext context = new();

        LibUsbDevice.LoadLibrary();

        string[] paths = LoadedLibUsb.Paths();
        Skip.If(paths.Length == 0, "This system does not list a process's modules.");
        Assert.Single(paths);
        LoadedLibUsb.CheckSingle(paths);
    }

    [Fact]
    public void CheckSingle_TwoCopies_NamesBothAndTheRemedy()
    {
        InvalidOperationException refused = Assert.Throws<InvalidOperationException>(() => LoadedLibUsb.CheckSingle(["/a/libusb-1.0.so.0", "/b/libusb-1.0.so.0"]));

        Assert.Contains("/a/libusb-1.0.so.0, /b/libusb-1.0.so.0", refused.Message, StringComparison.Ordinal);
        Assert.Contains("BULKINQUEUE_LIBUSB", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Complete_OneInterfaceOneSetting_NamesThemWithoutAskingTheDevice()
    {
        Configure(1, Setting(2, 0, 0x81, 0x02), Setting(3, 0, 0x84));

        BulkInQueueOptions options = ActiveSetting.Complete(new BulkInQueueOptions { Depth = 3 }, _device.Object, 0x84);

        Assert.Equal((3, 0, 3), (options.InterfaceNumber, options.AlternateSetting, options.Depth));
        _device.Verify(static d => d.GetAltInterfaceSetting(It.IsAny<byte>(), out It.Ref<byte>.IsAny), Times.Never);
    }

    [Fact]
    public void Complete_SeveralSettings_AsksTheDevice()
    {
        Configure(1, Setting(3, 0), Setting(3, 1, 0x84), Setting(3, 2, 0x84));
        byte current = 2;
        _device.Setup(d => d.GetAltInterfaceSetting(3, out current));

        BulkInQueueOptions options = ActiveSetting.Complete(new BulkInQueueOptions(), _device.Object, 0x84);

        Assert.Equal((3, 2), (options.InterfaceNumber, options.AlternateSetting));
    }

    [Fact]
    public void Complete_DeviceStallsTheQuestion_LeavesTheSettingOpen()
    {
        Configure(1, Setting(3, 0, 0x84), Setting(3, 1, 0x84));
        byte current = 0;
        _device.Setup(d => d.GetAltInterfaceSetting(3, out current)).Throws(new UsbException(Error.Pipe));

        BulkInQueueOptions options = ActiveSetting.Complete(new BulkInQueueOptions(), _device.Object, 0x84);

        Assert.Equal((3, null), (options.InterfaceNumber, options.AlternateSetting));
    }

    [Fact]
    public void Complete_OptionsNameThem_KeepsThem()
    {
        Configure(1, Setting(3, 0, 0x84), Setting(3, 1, 0x84), Setting(4, 0, 0x84));

        BulkInQueueOptions options = ActiveSetting.Complete(new BulkInQueueOptions { InterfaceNumber = 3, AlternateSetting = 1 }, _device.Object, 0x84);

        Assert.Equal((3, 1), (options.InterfaceNumber, options.AlternateSetting));
    }

    [Theory]
    [InlineData(0x85)]
    [InlineData(0x84)]
    public void Complete_NoneOrSeveralInterfaces_LeavesItToTheQueue(byte endpoint)
    {
        Configure(1, Setting(3, 0, 0x84), Setting(4, 0, 0x84));

        BulkInQueueOptions options = ActiveSetting.Complete(new BulkInQueueOptions(), _device.Object, endpoint);

        Assert.Equal((null, null), (options.InterfaceNumber, options.AlternateSetting));
    }

    [Fact]
    public void Complete_OtherConfiguration_IsNotLookedAt()
    {
        Configure(2, Setting(3, 0, 0x84));

        BulkInQueueOptions options = ActiveSetting.Complete(new BulkInQueueOptions(), _device.Object, 0x84);

        Assert.Null(options.InterfaceNumber);
    }

    [Theory]
    [InlineData(512, 512, null)]
    [InlineData(1024, 512, null)]
    [InlineData(1000, 512, 1024)]
    [InlineData(511, 512, 512)]
    [InlineData(0, 512, 512)]
    [InlineData(-512, 512, 512)]
    [InlineData(512, 1024, 1024)]
    [InlineData(1024, 0x1400, null)]
    [InlineData(7, 0, null)]
    public void Complete_BufferLength_IsCheckedAgainstTheMaxPacketSize(int length, int maxPacketSize, int? next)
    {
        UsbInterfaceInfo other = Setting(3, 0, 0x84);
        UsbInterfaceInfo active = Setting(3, 1, 0x84);
        Mock.Get(active.Endpoints[0]).Setup(static e => e.MaxPacketSize).Returns((ushort)maxPacketSize);
        Configure(1, other, active);
        BulkInQueueOptions options = new() { BufferLength = length, AlternateSetting = 1 };

        if (next is null)
        {
            Assert.Equal(options with { InterfaceNumber = 3 }, ActiveSetting.Complete(options, _device.Object, 0x84));
            return;
        }

        ArgumentException refused = Assert.Throws<ArgumentException>(() => ActiveSetting.Complete(options, _device.Object, 0x84));
        Assert.Contains($"The next valid length is {next}.", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Complete_DeviceCannotBeAsked_LeavesItToTheQueue()
    {
        _device.Setup(static d => d.Configuration).Throws(new UsbException(Error.NoDevice));

        BulkInQueueOptions options = ActiveSetting.Complete(new BulkInQueueOptions(), _device.Object, 0x84);

        Assert.Equal(new BulkInQueueOptions(), options);
    }

    private static bool IsLibUsbInstalled()
    {
        try
        {
            LibUsbDevice.LoadLibrary();
            return true;
        }
        catch (DllNotFoundException)
        {
            return false;
        }
    }

    /// <summary>A device in configuration 1, with the settings in the configuration given.</summary>
    private void Configure(int value, params UsbInterfaceInfo[] settings)
    {
        Mock<UsbConfigInfo> configuration = new();
        configuration.Setup(static c => c.ConfigurationValue).Returns(value);
        configuration.Setup(static c => c.Interfaces).Returns(new ReadOnlyCollection<UsbInterfaceInfo>(settings));
        _device.Setup(static d => d.Configuration).Returns(1);
        _device.Setup(static d => d.Configs).Returns(new ReadOnlyCollection<UsbConfigInfo>([configuration.Object]));
    }

    private static UsbInterfaceInfo Setting(int number, byte alternate, params byte[] endpoints)
    {
        Mock<UsbInterfaceInfo> setting = new();
        setting.Setup(static s => s.Number).Returns(number);
        setting.Setup(static s => s.AlternateSetting).Returns(alternate);
        setting.Setup(static s => s.Endpoints).Returns(new ReadOnlyCollection<UsbEndpointInfo>([.. endpoints.Select(static address => Mock.Of<UsbEndpointInfo>(e => e.EndpointAddress == address))]));
        return setting.Object;
    }
}
