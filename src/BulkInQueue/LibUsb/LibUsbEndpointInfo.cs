using System.Globalization;
using BulkIn.Backends;

namespace BulkIn;

/// <summary>One endpoint of an alternate setting, as its descriptor has it.</summary>
/// <param name="Address">bEndpointAddress: 0x81 to 0x8F for IN, 0x01 to 0x0F for OUT.</param>
/// <param name="TransferType">Bulk, interrupt, isochronous or control.</param>
/// <param name="MaxPacketSize">wMaxPacketSize in bytes, without the high-bandwidth bits.</param>
public sealed record LibUsbEndpointInfo(byte Address, EndpointTransferType TransferType, int MaxPacketSize)
{
    /// <summary>True for IN: from device to host.</summary>
    public bool IsIn => (Address & 0x80) != 0;

    /// <summary>For example <c>0x84 bulk IN, 1024 bytes</c>.</summary>
    /// <returns>The text.</returns>
    public override string ToString()
    {
        string type = TransferType switch
        {
            EndpointTransferType.Bulk => "bulk",
            EndpointTransferType.Interrupt => "interrupt",
            EndpointTransferType.Isochronous => "isochronous",
            _ => "control",
        };
        return string.Create(CultureInfo.InvariantCulture, $"0x{Address:X2} {type} {(IsIn ? "IN" : "OUT")}, {MaxPacketSize} bytes");
    }
}
