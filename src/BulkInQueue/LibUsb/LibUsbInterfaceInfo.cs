namespace BulkIn;

/// <summary>One alternate setting of one interface of the active configuration.</summary>
/// <param name="Number">bInterfaceNumber.</param>
/// <param name="AlternateSetting">bAlternateSetting.</param>
/// <param name="InterfaceClass">bInterfaceClass; 0xFF is vendor-specific.</param>
/// <param name="InterfaceSubClass">bInterfaceSubClass.</param>
/// <param name="InterfaceProtocol">bInterfaceProtocol.</param>
/// <param name="Endpoints">Its endpoints, in descriptor order.</param>
public sealed record LibUsbInterfaceInfo(
    byte Number,
    byte AlternateSetting,
    byte InterfaceClass,
    byte InterfaceSubClass,
    byte InterfaceProtocol,
    IReadOnlyList<LibUsbEndpointInfo> Endpoints);
