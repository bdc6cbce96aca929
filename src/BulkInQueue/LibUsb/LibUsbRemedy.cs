using System.Globalization;
using BulkIn.Backends;

namespace BulkIn.LibUsb;

/// <summary>What a user can do about an error, by platform: the last sentence of a message.</summary>
/// <param name="Platform">Whose remedy.</param>
/// <param name="VendorId">The device's vendor for the udev rule, or null when no device is meant yet.</param>
/// <param name="ProductId">The device's product.</param>
internal sealed record LibUsbRemedy(LibUsbPlatform Platform, ushort? VendorId = null, ushort? ProductId = null)
{
    private const string Debug = "Set the environment variable LIBUSB_DEBUG=3 for libusb's own account.";

    /// <summary>Errno values that libusb on Linux folds into LIBUSB_ERROR_IO at submit.</summary>
    private const int NoEntry = 2, NoProcess = 3, DeviceBusy = 16, HostUnreachable = 113;

    /// <summary>The figures of the usbfs limit for the transfers in question, or null where there is none.</summary>
    public string? UsbfsFigures { get; init; }

    /// <summary>The sentence for <paramref name="error"/>, or null when there is nothing to add.</summary>
    public string? For(BulkInError error, BackendResult result) => error switch
    {
        BulkInError.AccessDenied => Access(),
        BulkInError.Busy => Busy(),
        BulkInError.OutOfMemory => Memory(),
        BulkInError.NotSupported => Platform == LibUsbPlatform.Windows
            ? "Install the WinUSB driver for the device, for example with Zadig (https://zadig.akeo.ie), or let its firmware present Microsoft OS descriptors."
            : Debug,
        BulkInError.SubmitFailed => Submit(result),
        BulkInError.HandleClosed => "Dispose of the queue before the device that owns the handle.",
        BulkInError.DeviceGone => "Dispose of the queue and the device, and open both again when the device is back.",
        BulkInError.NotFound => result.Status == BackendStatus.NotFound ? "Claim the interface first, and check the alternate setting." : null,
        BulkInError.TransferError => $"If it repeats, check cable, hub and power. {Debug}",
        BulkInError.Overflow => "If it repeats, the device violates its max packet size.",
        BulkInError.Unknown => Debug,
        _ => null,
    };

    private string Access() => Platform switch
    {
        LibUsbPlatform.Windows => "Close the other program that uses the device: WinUSB lets in one at a time.",
        LibUsbPlatform.MacOS => "A driver of the system holds the device: run with the entitlement com.apple.vm.device-access or as root to detach it.",
        _ => string.Create(
            CultureInfo.InvariantCulture,
            $"Add a udev rule, for example in /etc/udev/rules.d/70-usb-{VendorId ?? 0:x4}.rules: SUBSYSTEM==\"usb\", ATTR{{idVendor}}==\"{VendorId ?? 0:x4}\", ATTR{{idProduct}}==\"{ProductId ?? 0:x4}\", TAG+=\"uaccess\" — then run 'udevadm control --reload' and plug the device in again."),
    };

    private string Busy() => Platform switch
    {
        LibUsbPlatform.Linux => "A kernel driver or another program holds the interface: claim it with detachKernelDriver: true, or stop the other program.",
        LibUsbPlatform.MacOS => "A driver of the system or another program holds the interface: stop it.",
        _ => "Another program holds the interface: close it.",
    };

    private string Memory() => UsbfsFigures is null
        ? "Use fewer or smaller buffers."
        : $"{UsbfsFigures} Use fewer or smaller buffers, or raise the limit.";

    private string Submit(BackendResult result)
    {
        if (result.Status == BackendStatus.NotFound)
        {
            return "Claim the interface first.";
        }

        if (Platform == LibUsbPlatform.Linux && result.Status == BackendStatus.Io)
        {
            string? known = result.SystemError switch
            {
                NoEntry => "The active alternate setting has no such endpoint: select the one that has.",
                NoProcess => "The device has no active configuration: it was deauthorized or unconfigured.",
                DeviceBusy => "A kernel driver holds the interface: claim it with its driver detached first.",
                HostUnreachable => "The device is suspended.",
                _ => null,
            };
            if (known is not null)
            {
                return known;
            }
        }

        return $"Claim the interface, check that the active alternate setting has the endpoint and that no kernel driver holds it. {Debug}";
    }
}
