using BulkIn.Backends;

namespace BulkIn.Testing;

/// <summary>On which thread a <see cref="SimulatedEndpoint"/> reports completions.</summary>
public enum CompletionThread
{
    /// <summary>On the thread whose call ended the transfer, before that call returns: Deliver, Stall, Release …, but also Submit (when data waits) and
    /// Cancel. Deterministic. While one thread reports, completions caused by another are left to it, so that their order holds.</summary>
    Caller = 0,

    /// <summary>On a thread of the endpoint's own, as libusb's event thread does.</summary>
    Dedicated,
}

/// <summary>How a <see cref="SimulatedEndpoint"/> is set up. The defaults suit a driver's unit test.</summary>
public sealed record SimulatedEndpointOptions
{
    /// <summary>The endpoint address. Default 0x81.</summary>
    public byte Address { get; init; } = 0x81;

    /// <summary>The transfer type. Default bulk.</summary>
    public EndpointTransferType TransferType { get; init; } = EndpointTransferType.Bulk;

    /// <summary>The max packet size in bytes, positive. Default 512: a high-speed bulk endpoint.</summary>
    public int MaxPacketSize { get; init; } = 512;

    /// <summary>How messages name the device.</summary>
    public string DeviceName { get; init; } = "simulated device";

    /// <summary>The platform's differences. Default none. <see cref="BulkInCapabilities.CancelAbortsEndpoint"/> and
    /// <see cref="BulkInCapabilities.ClearsHaltItself"/> are also acted out.</summary>
    public BulkInCapabilities Capabilities { get; init; }

    /// <summary>Bytes that the device can hold while no transfer takes them. Default <see langword="null"/>: any number.</summary>
    public int? FifoCapacity { get; init; }

    /// <summary>Where completions are reported. Default <see cref="CompletionThread.Caller"/>.</summary>
    public CompletionThread CompletionThread { get; init; }

    /// <summary>With <see cref="CompletionThread.Dedicated"/>: report a transfer that ends inside its own Submit there, before Submit returns.
    /// Default false.</summary>
    public bool CompletesInsideSubmit { get; init; }

    /// <summary>True: buffers are the endpoint's own, with guard bytes around them. False: the queue allocates pinned memory. Default true.</summary>
    public bool OffersBuffers { get; init; } = true;

    /// <summary>
    /// True: every submitted buffer is filled with a poison pattern and checked when it is given back, so that a write while posted or after the free
    /// is accused, and a read too early shows as poison (0xA5 posted, 0xDD freed). Default true; it costs two passes over each buffer.
    /// </summary>
    public bool ChecksBuffers { get; init; } = true;

    /// <summary>Creating the transfer of this slot (0 is the first) fails for lack of memory. Default <see langword="null"/>: none.</summary>
    public int? FailsCreateAtSlot { get; init; }

    /// <summary>Events the record keeps. Default 65536; 0 records nothing and allocates nothing for each transfer.</summary>
    public int LogCapacity { get; init; } = 65536;

    /// <summary>What <see cref="IBulkInBackend.GetRemedy"/> answers. Default nothing.</summary>
    public Func<BulkInError, BackendResult, string?>? Remedy { get; init; }

    /// <summary>The clock of the record, of scripted durations and of probes. Default the system's; tests pass a <see cref="VirtualClock"/>.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>No record and no buffer checks: for millions of transfers and for measurements.</summary>
    public static SimulatedEndpointOptions Fast { get; } = new() { LogCapacity = 0, ChecksBuffers = false };
}
