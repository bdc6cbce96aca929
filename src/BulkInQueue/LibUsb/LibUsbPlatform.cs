namespace BulkIn.LibUsb;

/// <summary>The operating systems whose libusb differs where it matters here.</summary>
internal enum LibUsbPlatform
{
    /// <summary>Linux, Android and everything else with usbfs semantics.</summary>
    Linux = 0,

    Windows,

    MacOS,
}

/// <summary>The platform of this process. Passed on as a value, so that the others can be tested here.</summary>
internal static class LibUsbPlatforms
{
    public static LibUsbPlatform Current { get; } =
        OperatingSystem.IsWindows() ? LibUsbPlatform.Windows
        : OperatingSystem.IsMacOS() || OperatingSystem.IsIOS() ? LibUsbPlatform.MacOS
        : LibUsbPlatform.Linux;
}
