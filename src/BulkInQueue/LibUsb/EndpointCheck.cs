using BulkIn.Backends;

namespace BulkIn.LibUsb;

/// <summary>Finds the endpoint a queue is opened on among the descriptors, or says why it cannot be used and what there is instead.</summary>
internal static class EndpointCheck
{
    /// <summary>On an own device: in the active alternate setting of a claimed interface, exactly.</summary>
    /// <param name="endpoint">The endpoint asked for.</param>
    /// <param name="interfaces">Every alternate setting of the active configuration.</param>
    /// <param name="claimed">Claimed interface to active alternate setting.</param>
    /// <param name="deviceName">For messages.</param>
    /// <exception cref="ArgumentException">The message names the endpoint, the reason and the endpoints there are.</exception>
    public static BulkInEndpoint FindClaimed(byte endpoint, IReadOnlyList<LibUsbInterfaceInfo> interfaces, IReadOnlyDictionary<int, int> claimed, string deviceName)
    {
        CheckAddress(endpoint);
        LibUsbInterfaceInfo[] active = [.. interfaces.Where(setting => claimed.TryGetValue(setting.Number, out int alternate) && alternate == setting.AlternateSetting)];
        if (Find(endpoint, active) is { } found)
        {
            return Accept(found, deviceName);
        }

        string reason = interfaces.FirstOrDefault(setting => Has(setting, endpoint)) switch
        {
            null => "the device has no such endpoint",
            { } elsewhere when !claimed.ContainsKey(elsewhere.Number) => $"it belongs to interface {elsewhere.Number}, which is not claimed: call ClaimInterface({elsewhere.Number}) first",
            { } elsewhere => $"it belongs to alternate setting {elsewhere.AlternateSetting} of interface {elsewhere.Number}, which is not the active one: call SetAlternateSetting({elsewhere.Number}, {elsewhere.AlternateSetting}) first",
        };
        throw Missing(endpoint, deviceName, reason, interfaces);
    }

    /// <summary>On a foreign handle: in the active configuration, narrowed by what the options name, setting 0 first.</summary>
    /// <param name="endpoint">The endpoint asked for.</param>
    /// <param name="interfaces">Every alternate setting of the active configuration.</param>
    /// <param name="interfaceNumber">The interface meant, or null for any.</param>
    /// <param name="alternateSetting">The alternate setting meant, or null for the lowest that has it.</param>
    /// <param name="deviceName">For messages.</param>
    /// <exception cref="ArgumentException">The message names the endpoint, the reason and the endpoints there are.</exception>
    public static BulkInEndpoint FindConfigured(byte endpoint, IReadOnlyList<LibUsbInterfaceInfo> interfaces, int? interfaceNumber, int? alternateSetting, string deviceName)
    {
        CheckAddress(endpoint);
        LibUsbInterfaceInfo[] meant =
        [
            .. interfaces
                .Where(setting => (interfaceNumber is null || setting.Number == interfaceNumber) && (alternateSetting is null || setting.AlternateSetting == alternateSetting))
                .OrderBy(setting => setting.AlternateSetting),
        ];
        if (Find(endpoint, meant) is { } found)
        {
            return Accept(found, deviceName);
        }

        string where = (interfaceNumber, alternateSetting) switch
        {
            (null, null) => "the active configuration has no such endpoint",
            (not null, null) => $"interface {interfaceNumber} has no such endpoint",
            (null, not null) => $"no interface has it in alternate setting {alternateSetting}",
            _ => $"alternate setting {alternateSetting} of interface {interfaceNumber} has no such endpoint",
        };
        throw Missing(endpoint, deviceName, where, interfaces);
    }

    /// <summary>Refuses everything but the fifteen addresses an IN endpoint can have.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is not one of them.</exception>
    public static void CheckAddress(byte endpoint)
    {
        if (endpoint is >= 0x81 and <= 0x8F)
        {
            return;
        }

        string hint = endpoint is >= 0x01 and <= 0x0F ? $" 0x{endpoint:X2} is an OUT endpoint; the IN endpoint of that number is 0x{endpoint | 0x80:X2}." : "";
        throw new ArgumentOutOfRangeException(nameof(endpoint), $"0x{endpoint:X2}", $"An IN endpoint's address is 0x81 to 0x8F.{hint}");
    }

    private static bool Has(LibUsbInterfaceInfo setting, byte address) => setting.Endpoints.Any(endpoint => endpoint.Address == address);

    private static LibUsbEndpointInfo? Find(byte address, IEnumerable<LibUsbInterfaceInfo> settings) =>
        settings.SelectMany(static setting => setting.Endpoints).FirstOrDefault(endpoint => endpoint.Address == address);

    private static BulkInEndpoint Accept(LibUsbEndpointInfo endpoint, string deviceName)
    {
        if (endpoint.TransferType is not (EndpointTransferType.Bulk or EndpointTransferType.Interrupt))
        {
            throw new ArgumentException($"Endpoint 0x{endpoint.Address:X2} of {deviceName} cannot be queued: it is {endpoint}, and a queue needs a bulk or interrupt endpoint.", nameof(endpoint));
        }

        if (endpoint.MaxPacketSize == 0)
        {
            throw new ArgumentException($"Endpoint 0x{endpoint.Address:X2} of {deviceName} cannot be queued: its descriptor has a max packet size of 0.", nameof(endpoint));
        }

        return new BulkInEndpoint(endpoint.Address, endpoint.TransferType, endpoint.MaxPacketSize) { DeviceName = deviceName };
    }

    private static ArgumentException Missing(byte endpoint, string deviceName, string reason, IReadOnlyList<LibUsbInterfaceInfo> interfaces)
    {
        string[] there = [.. interfaces.SelectMany(static setting => setting.Endpoints, static (setting, present) => $"{present} (interface {setting.Number}, setting {setting.AlternateSetting})")];
        string what = there.Length == 0 ? "The device has no active configuration with endpoints." : $"There are: {string.Join("; ", there)}.";
        return new ArgumentException($"Endpoint 0x{endpoint:X2} of {deviceName} cannot be opened: {reason}. {what}", nameof(endpoint));
    }
}
