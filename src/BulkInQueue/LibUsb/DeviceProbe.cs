using BulkIn.Backends;

namespace BulkIn.LibUsb;

/// <summary>Asks whether a device is still attached: an asynchronous GET_STATUS of the device, which claims, resets and clears nothing.</summary>
internal static class DeviceProbe
{
    // bmRequestType 0x80 (IN, standard, device), bRequest 0 (GET_STATUS), wValue 0, wIndex 0, wLength 2 (USB 2.0 section 9.4.5).
    private const int StatusLength = 2;

    /// <summary>The proof, after at most <paramref name="bound"/> for each of two requests. Never throws.</summary>
    public static async Task<DevicePresence> RunAsync(IDeviceAccess access, LibUsbPlatform platform, TimeSpan bound, TimeProvider time)
    {
#pragma warning disable CA1031 // Out of memory is the one failure in sight, and it proves nothing.
        try
        {
            (DevicePresence presence, bool endedAsGone) = await AskAsync(access, platform, afterNoDevice: false, bound, time).ConfigureAwait(false);
            if (endedAsGone)
            {
                // A reset or a sleep ends requests in flight with NO_DEVICE too. Only a device that is really gone answers a second one so.
                (presence, endedAsGone) = await AskAsync(access, platform, afterNoDevice: true, bound, time).ConfigureAwait(false);
                presence = endedAsGone ? DevicePresence.Gone : presence;
            }

            return presence;
        }
        catch (Exception)
        {
            return DevicePresence.Unknown;
        }
#pragma warning restore CA1031
    }

    private static async Task<(DevicePresence Presence, bool EndedAsGone)> AskAsync(IDeviceAccess access, LibUsbPlatform platform, bool afterNoDevice, TimeSpan bound, TimeProvider time)
    {
        byte[] setup = [0x80, 0, 0, 0, 0, 0, StatusLength, 0, 0, 0];

        // No timeout of libusb's: the wait below is bounded, and a request that outlives it is cancelled and left to its completion.
        var request = new LibUsbRequest(access, endpoint: 0, EndpointTransferType.Control, setup, timeoutMilliseconds: 0);
        BackendResult submitted = request.Submit();
        if (!submitted.IsSuccess)
        {
            request.Dispose();

            // On Windows a submit to an unplugged device fails as IO, so there NO_DEVICE from the request before decides.
            bool gone = submitted.Status == BackendStatus.NoDevice || (afterNoDevice && platform == LibUsbPlatform.Windows && submitted.Status == BackendStatus.Io);
            return (gone ? DevicePresence.Gone : DevicePresence.Unknown, false);
        }

        try
        {
            LibUsbRequestOutcome outcome = await request.Completion.WaitAsync(bound, time).ConfigureAwait(false);
            return outcome.Status switch
            {
                TransferStatus.Completed or TransferStatus.Stall or TransferStatus.Overflow => (DevicePresence.Present, false),
                TransferStatus.NoDevice => (DevicePresence.Unknown, true),
                _ => (DevicePresence.Unknown, false),
            };
        }
        catch (TimeoutException)
        {
            // Silence is a device that is busy, unless nobody reports completions any more.
            return (access.IsClosed ? DevicePresence.Unknown : DevicePresence.Present, false);
        }
        finally
        {
            if (request.Completion.IsCompleted)
            {
                request.Dispose();
            }
            else
            {
                request.RequestCancel();
                request.DisposeWhenCompleted();
            }
        }
    }
}
