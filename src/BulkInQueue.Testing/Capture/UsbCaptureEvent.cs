using BulkIn.Backends;

namespace BulkIn.Testing;

/// <summary>What a recorded event says about its USB request block (URB).</summary>
public enum UsbCaptureEventKind
{
    /// <summary>The host submitted the URB (<c>S</c>).</summary>
    Submission,

    /// <summary>The URB ended, well or badly (<c>C</c>).</summary>
    Completion,

    /// <summary>The host controller driver refused the submission (<c>E</c>); no completion follows.</summary>
    SubmissionError,
}

/// <summary>
/// One event as Linux's usbmon recorded it (Documentation/usb/usbmon.rst, <c>struct mon_bin_hdr</c>). The setup packet and the data are
/// valid only until the next read of the <see cref="UsbCaptureReader"/> that returned the event; the other properties stay.
/// </summary>
public sealed class UsbCaptureEvent
{
    internal UsbCaptureEvent()
    {
    }

    /// <summary>Submission, completion or refused submission.</summary>
    public UsbCaptureEventKind Kind { get; internal init; }

    /// <summary>The kernel's name for the URB: equal in its submission and its completion, used again afterwards.</summary>
    public ulong UrbId { get; internal init; }

    /// <summary>The endpoint's transfer type.</summary>
    public EndpointTransferType TransferType { get; internal init; }

    /// <summary>The endpoint's address; bit 7 is set for IN.</summary>
    public byte Endpoint { get; internal init; }

    /// <summary>The device's address on its bus. A device that is plugged in again gets another one.</summary>
    public byte Device { get; internal init; }

    /// <summary>The bus number.</summary>
    public ushort Bus { get; internal init; }

    /// <summary>When, to 100 ns: the record's own time, or the time in the USB header where the record has none (a pcapng Simple Packet Block).</summary>
    public DateTimeOffset Timestamp { get; internal init; }

    /// <summary>A negative Linux error number, 0 for success; -115 (in progress) in a submission.</summary>
    public int Status { get; internal init; }

    /// <summary>Bytes requested in a submission, bytes transferred in a completion.</summary>
    public int UrbLength { get; internal init; }

    /// <summary>The bytes of the transfer that are in the file; fewer than were transferred where usbmon or the snap length cut them.</summary>
    public ReadOnlyMemory<byte> Data { get; internal init; }

    /// <summary>The 8 bytes of the setup packet of a control submission; empty otherwise.</summary>
    public ReadOnlyMemory<byte> Setup { get; internal init; }

    /// <summary>Transferred bytes that are not in the file: of an IN completion or an OUT submission, 0 otherwise.</summary>
    public int MissingLength => CarriesData ? Math.Max(0, UrbLength - Data.Length) : 0;

    /// <summary>True for an IN endpoint. A control transfer's direction is that of its setup packet, which only the submission shows.</summary>
    public bool IsIn => (Endpoint & 0x80) != 0;

    // usbmon shows data where it first exists: with the completion on IN, with the submission on OUT.
    private bool CarriesData => Kind == (IsIn ? UsbCaptureEventKind.Completion : UsbCaptureEventKind.Submission);
}
