using BulkIn.LibUsb;
using Xunit;

namespace BulkIn.Tests.LibUsb;

public sealed class UsbfsMemoryLimitTests : IDisposable
{
    private readonly string _file = Path.GetTempFileName();

    public void Dispose() => File.Delete(_file);

    [Theory]
    [InlineData("16\n", 31, 512 * 1024, true)]
    [InlineData("16\n", 32, 512 * 1024, false)]
    [InlineData("0\n", 4096, 1024 * 1024, true)]
    [InlineData("1000\n", 4096, 1024 * 1024, false)]
    [InlineData("nonsense\n", 4096, 1024 * 1024, true)]
    [InlineData("-1\n", 4096, 1024 * 1024, true)]
    public void ForPosted_AgainstTheFile_ComparesWithItsOverhead(string content, int depth, int length, bool fits)
    {
        File.WriteAllText(_file, content);

        UsbfsMemoryLimit limit = UsbfsMemoryLimit.ForPosted(depth, length, LibUsbPlatform.Linux, _file);

        Assert.Equal(fits, limit.Fits);
    }

    [Fact]
    public void Figures_WithALimit_NamePathAndNumbers()
    {
        File.WriteAllText(_file, "16\n");

        string? figures = UsbfsMemoryLimit.ForPosted(32, 524288, LibUsbPlatform.Linux, _file).Figures;

        Assert.NotNull(figures);
        Assert.Contains(_file, figures, StringComparison.Ordinal);
        Assert.Contains("32 transfers of 524288 bytes", figures, StringComparison.Ordinal);
        Assert.Contains("16777216 (16 MiB)", figures, StringComparison.Ordinal);
    }

    [Fact]
    public void Limit_OtherPlatformOrNoFile_IsNone()
    {
        Assert.Null(UsbfsMemoryLimit.ForPosted(1, 1, LibUsbPlatform.Windows, _file).Limit);
        Assert.Null(UsbfsMemoryLimit.ForPosted(1, 1, LibUsbPlatform.Linux, _file + ".none").Figures);
    }

    [Fact]
    public void ForMapped_SmallBuffers_CountWholePages()
    {
        File.WriteAllText(_file, "16\n");

        Assert.True(UsbfsMemoryLimit.ForMapped(1, 10, 512, LibUsbPlatform.Linux, _file).Needed >= 10 * Environment.SystemPageSize);
    }
}
