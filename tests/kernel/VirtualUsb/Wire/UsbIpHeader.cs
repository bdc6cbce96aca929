using System.Buffers.Binary;

namespace BulkIn.VirtualUsb;

/// <summary>The kinds of message that the kernel and a USB/IP server exchange once a device is attached.</summary>
internal enum UsbIpCommand
{
    Submit = 1,
    Unlink = 2,
    SubmitReply = 3,
    UnlinkReply = 4,
}

/// <summary>A command of the kernel, from its 48-byte big-endian header (Documentation/usb/usbip_protocol.rst).</summary>
internal readonly record struct UsbIpHeader(UsbIpCommand Command, uint Sequence, byte Endpoint, uint Flags, int Length, uint UnlinkSequence, SetupPacket Setup)
{
    /// <summary>Bytes of every header, in both directions.</summary>
    public const int Size = 48;

    /// <summary>True when data from the kernel follows the header.</summary>
    public bool HasData => Command == UsbIpCommand.Submit && (Endpoint & 0x80) == 0 && Length > 0;

    /// <summary>Reads a header.</summary>
    /// <exception cref="InvalidDataException">It is no command of the kernel.</exception>
    public static UsbIpHeader Read(ReadOnlySpan<byte> bytes)
    {
        var command = (UsbIpCommand)BinaryPrimitives.ReadUInt32BigEndian(bytes);
        uint sequence = BinaryPrimitives.ReadUInt32BigEndian(bytes[4..]);
        bool isIn = BinaryPrimitives.ReadUInt32BigEndian(bytes[12..]) != 0;
        byte number = (byte)(BinaryPrimitives.ReadUInt32BigEndian(bytes[16..]) & 0x0f);
        byte endpoint = (byte)(isIn ? number | 0x80 : number);
        return command switch
        {
            UsbIpCommand.Submit => new UsbIpHeader(
                command,
                sequence,
                endpoint,
                BinaryPrimitives.ReadUInt32BigEndian(bytes[20..]),
                BinaryPrimitives.ReadInt32BigEndian(bytes[24..]),
                UnlinkSequence: 0,
                SetupPacket.Read(bytes.Slice(40, SetupPacket.Size))),
            UsbIpCommand.Unlink => new UsbIpHeader(
                command, sequence, endpoint, Flags: 0, Length: 0, BinaryPrimitives.ReadUInt32BigEndian(bytes[20..]), default),
            _ => throw new InvalidDataException($"The kernel sent the USB/IP command {(uint)command}, which is none of its own."),
        };
    }

    /// <summary>Writes the answer to a submitted URB.</summary>
    public static void WriteSubmitReply(Span<byte> bytes, uint sequence, int status, int actualLength)
    {
        bytes[..Size].Clear();
        BinaryPrimitives.WriteUInt32BigEndian(bytes, (uint)UsbIpCommand.SubmitReply);
        BinaryPrimitives.WriteUInt32BigEndian(bytes[4..], sequence);
        BinaryPrimitives.WriteInt32BigEndian(bytes[20..], status);
        BinaryPrimitives.WriteInt32BigEndian(bytes[24..], actualLength);
    }

    /// <summary>Writes the answer to an unlink.</summary>
    public static void WriteUnlinkReply(Span<byte> bytes, uint sequence, int status)
    {
        bytes[..Size].Clear();
        BinaryPrimitives.WriteUInt32BigEndian(bytes, (uint)UsbIpCommand.UnlinkReply);
        BinaryPrimitives.WriteUInt32BigEndian(bytes[4..], sequence);
        BinaryPrimitives.WriteInt32BigEndian(bytes[20..], status);
    }
}
