namespace BulkIn;

/// <summary>The setup packet of a control transfer (USB 2.0 section 9.3); wLength is the length of the data passed with it.</summary>
/// <param name="RequestType">bmRequestType; bit 7 set means IN, from device to host.</param>
/// <param name="Request">bRequest.</param>
/// <param name="Value">wValue.</param>
/// <param name="Index">wIndex.</param>
public readonly record struct LibUsbSetup(byte RequestType, byte Request, ushort Value, ushort Index)
{
    /// <summary>True when the data stage goes from device to host.</summary>
    public bool IsIn => (RequestType & 0x80) != 0;
}
