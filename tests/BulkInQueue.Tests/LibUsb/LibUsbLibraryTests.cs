using System.Reflection;
using System.Runtime.InteropServices;
using BulkIn.LibUsb;
using Xunit;

namespace BulkIn.Tests.LibUsb;

public sealed class LibUsbLibraryTests
{
    [Theory]
    [InlineData("Linux", "libusb-1.0.so.0", "apt install libusb-1.0-0")]
    [InlineData("Windows", "libusb-1.0.dll", "libusb-1.0.dll")]
    [InlineData("MacOS", "libusb-1.0.0.dylib", "brew install libusb")]
    public void LoadModule_NoLibrary_SaysWhatWasTriedAndHowToInstall(string platform, string firstTried, string install)
    {
        List<string> tried = [];
        DllNotFoundException thrown = Assert.Throws<DllNotFoundException>(() => LibUsbLibrary.LoadModule(null, Enum.Parse<LibUsbPlatform>(platform), Refuse));

        Assert.Equal(firstTried, tried[0]);
        Assert.All(tried, name => Assert.Contains(name, thrown.Message, StringComparison.Ordinal));
        Assert.Contains(install, thrown.Message, StringComparison.Ordinal);
        Assert.Contains(LibUsbLibrary.PathVariable, thrown.Message, StringComparison.Ordinal);

        bool Refuse(string name, out nint module)
        {
            tried.Add(name);
            module = 0;
            return false;
        }
    }

    [Fact]
    public void LoadModule_OverrideThatDoesNotLoad_NamesItAndTriesNoOther()
    {
        List<string> tried = [];
        DllNotFoundException thrown = Assert.Throws<DllNotFoundException>(() => LibUsbLibrary.LoadModule("/opt/none.so", LibUsbPlatform.Linux, Refuse));

        Assert.Equal(["/opt/none.so"], tried);
        Assert.Contains("/opt/none.so", thrown.Message, StringComparison.Ordinal);
        Assert.Contains(LibUsbLibrary.PathVariable, thrown.Message, StringComparison.Ordinal);

        bool Refuse(string name, out nint module)
        {
            tried.Add(name);
            module = 0;
            return false;
        }
    }

    [Fact]
    public void LoadModule_SecondCandidateExists_TakesIt()
    {
        nint module = LibUsbLibrary.LoadModule(null, LibUsbPlatform.MacOS, OnlyHomebrew);

        Assert.Equal(42, module);

        static bool OnlyHomebrew(string name, out nint module)
        {
            module = 42;
            return name.StartsWith("/opt/homebrew/", StringComparison.Ordinal);
        }
    }

    [Fact]
    public void TryLoad_LibraryThatIsNoLibUsb_IsRefused()
    {
        // A library that every process has, and which is not libusb.
        string other = OperatingSystem.IsWindows() ? "kernel32.dll" : OperatingSystem.IsMacOS() ? "libSystem.dylib" : "libc.so.6";
        Assert.True(NativeLibrary.TryLoad(other, out _), $"{other} should load.");

        DllNotFoundException thrown = Assert.Throws<DllNotFoundException>(() => LibUsbLibrary.LoadModule(other, LibUsbPlatforms.Current, LibUsbLibrary.TryLoad));

        Assert.Contains(other, thrown.Message, StringComparison.Ordinal);
        Assert.Contains("1.0.21", thrown.Message, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void NativeLibUsb_EveryImport_IsInTheInstalledLibrary()
    {
        _ = RealLibUsb.Require();
        nint module = LibUsbLibrary.LoadModule(Environment.GetEnvironmentVariable(LibUsbLibrary.PathVariable), LibUsbPlatforms.Current, NativeLibrary.TryLoad);

        string[] imports = [.. typeof(NativeLibUsb).GetMethods(BindingFlags.NonPublic | BindingFlags.Static).Select(method => method.Name).Where(name => name.StartsWith("libusb_", StringComparison.Ordinal))];

        Assert.InRange(imports.Length, 20, 40);
        Assert.All(imports, import => Assert.True(NativeLibrary.TryGetExport(module, import, out _), $"libusb has no {import}."));
    }

    [SkippableFact]
    public void List_OnThisMachine_AnswersWithoutFailing()
    {
        RealLibUsb.Require();

        IReadOnlyList<LibUsbDeviceInfo> devices = LibUsbDevice.List();

        Assert.All(devices, device => Assert.NotEmpty(device.BusPath));
    }

    [SkippableFact]
    public void Open_DeviceThatIsNotThere_SaysSo()
    {
        RealLibUsb.Require();

        BulkInException thrown = Assert.Throws<BulkInException>(() => LibUsbDevice.Open(0xFFFE, 0xFFFD, "none"));

        Assert.Equal(BulkInError.NotFound, thrown.Error);
        Assert.Contains("fffe:fffd with serial number 'none'", thrown.Message, StringComparison.Ordinal);
        Assert.Throws<BulkInException>(() => LibUsbDevice.Open("250-9.9"));
        Assert.Throws<ArgumentException>(() => LibUsbDevice.Open(" "));
    }
}
