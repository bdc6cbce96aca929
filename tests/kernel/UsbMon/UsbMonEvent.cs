using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace BulkIn.UsbMon;

/// <summary>What the kernel saw happen to a URB.</summary>
public enum UsbMonKind
{
    /// <summary>It was handed to the host controller (S).</summary>
    Submission,

    /// <summary>It came back (C).</summary>
    Completion,

    /// <summary>The host controller refused it (E).</summary>
    SubmitError,
}

/// <summary>How an endpoint transfers, with usbmon's numbers.</summary>
public enum UsbTransferKind
{
    /// <summary>Isochronous.</summary>
    Isochronous = 0,

    /// <summary>Interrupt.</summary>
    Interrupt = 1,

    /// <summary>Control.</summary>
    Control = 2,

    /// <summary>Bulk.</summary>
    Bulk = 3,
}

/// <summary>One line of what usbmon saw.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="Id">The URB: the same in its submission and its completion, and used again afterwards.</param>
/// <param name="TransferKind">Bulk, control, interrupt or isochronous.</param>
/// <param name="Endpoint">The endpoint's address; bit 7 set is IN.</param>
/// <param name="Device">The device's address on its bus.</param>
/// <param name="Bus">The bus.</param>
/// <param name="Microseconds">When, in microseconds since 1970.</param>
/// <param name="Status">0, or a negative Linux error number; -115 in submissions.</param>
/// <param name="Length">Bytes asked for (submission) or transferred (completion).</param>
/// <param name="Setup">The eight setup bytes of a control submission, little-endian, else 0.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct UsbMonEvent(
    UsbMonKind Kind, ulong Id, UsbTransferKind TransferKind, byte Endpoint, byte Device, ushort Bus, long Microseconds, int Status, int Length, ulong Setup)
{
    /// <summary>Bytes of a record's header in the binary interface (<c>struct mon_bin_hdr</c>, 64 bytes with the fields of MON_IOCX_GETX).</summary>
    public const int HeaderSize = 64;

    private const ulong ClearHalt = 0x0000_0102;

    /// <summary>True for the submission of CLEAR_FEATURE(ENDPOINT_HALT).</summary>
    public bool IsClearHalt => Kind == UsbMonKind.Submission && TransferKind == UsbTransferKind.Control && (Setup & 0xffff_ffff) == ClearHalt;

    /// <summary>The endpoint that a <see cref="IsClearHalt"/> is about.</summary>
    public byte SetupEndpoint => (byte)(Setup >> 32);

    /// <summary>Reads a record of usbmon's binary interface.</summary>
    /// <param name="header">At least <see cref="HeaderSize"/> bytes, in the machine's byte order (little-endian machines only).</param>
    /// <param name="value">The event.</param>
    /// <returns>False for a record that fills the ring's end and tells nothing.</returns>
    public static bool TryRead(ReadOnlySpan<byte> header, out UsbMonEvent value)
    {
        UsbMonKind kind;
        switch ((char)header[8])
        {
            case 'S':
                kind = UsbMonKind.Submission;
                break;
            case 'C':
                kind = UsbMonKind.Completion;
                break;
            case 'E':
                kind = UsbMonKind.SubmitError;
                break;
            default:
                value = default;
                return false;
        }

        // flag_setup is 0 when the setup bytes are there.
        bool hasSetup = header[14] == 0;
        value = new UsbMonEvent(
            kind,
            BinaryPrimitives.ReadUInt64LittleEndian(header),
            (UsbTransferKind)header[9],
            header[10],
            header[11],
            BinaryPrimitives.ReadUInt16LittleEndian(header[12..]),
            (BinaryPrimitives.ReadInt64LittleEndian(header[16..]) * 1_000_000) + BinaryPrimitives.ReadInt32LittleEndian(header[24..]),
            BinaryPrimitives.ReadInt32LittleEndian(header[28..]),
            BinaryPrimitives.ReadInt32LittleEndian(header[32..]),
            hasSetup ? BinaryPrimitives.ReadUInt64LittleEndian(header[40..]) : 0);
        return true;
    }
}
