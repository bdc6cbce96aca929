
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace BulkIn;

/// <summary>How a <see cref="BulkInQueue"/> is set up. Read once, by Open; every value has a default that suits a device's control plane.</summary>
public sealed record BulkInQueueOptions
{
    /// <summary>The deepest queue: 4096 slots.</summary>
    public const int MaximumDepth = 4096;

    /// <summary>
    /// Slots: transfers kept posted. 1 to <see cref="MaximumDepth"/>, default 8: at 16 KiB that is 128 KiB ahead of the reader, some 0.4 ms of a
    /// saturated SuperSpeed bus, which covers a wake-up. Each slot costs <see cref="BufferLength"/> bytes of the system's USB buffer limit.
    /// </summary>
    public int Depth { get; init; } = 8;

    /// <summary>
    /// Bytes of each buffer: a positive multiple of the endpoint's max packet size (otherwise a device that fills its last packet
    /// <see href="https://libusb.sourceforge.io/api-1.0/libusb_packetoverflow.html">overflows</see> the transfer). Default 16384: a multiple of every max packet size, and the largest that Linux allocates in one piece on every host controller.
    /// </summary>
    public int BufferLength { get; init; } = 16 * 1024;

    /// <summary>
    /// Buffers beyond one for each slot. 0 to <see cref="MaximumDepth"/>, default 2: a completed buffer is swapped for a spare and the slot posted again
    /// before its bytes are copied or leased, so a slow reader costs no posted depth while spares last. With 0 a slot is posted again after
    /// its bytes were copied, or when its lease is returned.
    /// </summary>
    public int SpareBuffers { get; init; } = 2;

    /// <summary>What the buffers are made of; default <see cref="BulkInMemory.Automatic"/>.</summary>
    public BulkInMemory Memory { get; init; }

    /// <summary>Who starts recovery after a stall, a bus error or an overflow; default <see cref="BulkInRecovery.Automatic"/>.</summary>
    public BulkInRecovery Recovery { get; init; }

    /// <summary>
    /// How many recoveries in a row without a byte received before the queue gives up and stays Faulted. 1 to 1000, default 5: with the
    /// back-off's defaults some 2 s, enough for a device that reboots its endpoint, short enough for a user to be told.
    /// </summary>
    public int RecoveryAttempts { get; init; } = 5;

    /// <summary>The pause before the second attempt; it doubles with each further one. 0 to one minute, default 100 ms. The first attempt is immediate.</summary>
    public TimeSpan RecoveryBackoff { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest pause between attempts. <see cref="RecoveryBackoff"/> to one minute, default 2 s.</summary>
    public TimeSpan RecoveryBackoffMaximum { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// How long DisposeAsync, and each drain, waits for the transport to return its transfers before it leaves them where they are on purpose.
    /// 1 ms to one hour, default 10 s: longer than the 5 s for which clearing a halt may hold the device.
    /// </summary>
    public TimeSpan DisposeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// For a foreign handle: the interface whose endpoint is meant, when several alternate settings or interfaces of the active configuration have
    /// that address. Default <see langword="null"/>: found by the address. Ignored on an own device, where the claimed interface is known.
    /// </summary>
    public int? InterfaceNumber { get; init; }

    /// <summary>For a foreign handle: the active alternate setting of <see cref="InterfaceNumber"/>. Default <see langword="null"/>: setting 0 first.</summary>
    public int? AlternateSetting { get; init; }

    /// <summary>The clock for timeouts and back-off; default the system's. Tests pass a fake one.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Where faults, recoveries and leaks are logged; default nowhere. Never called on the event thread or under a lock.</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>Checks the values that do not depend on the endpoint, as the buffer length does.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of its range; the message names it.</exception>
    internal void Validate()
    {
        Require(Depth is >= 1 and <= MaximumDepth, nameof(Depth), Depth, $"1 to {MaximumDepth} slots");
        Require(SpareBuffers is >= 0 and <= MaximumDepth, nameof(SpareBuffers), SpareBuffers, $"0 to {MaximumDepth} buffers");
        Require(Enum.IsDefined(Memory), nameof(Memory), Memory, "a defined value");
        Require(Enum.IsDefined(Recovery), nameof(Recovery), Recovery, "a defined value");
        Require(RecoveryAttempts is >= 1 and <= 1000, nameof(RecoveryAttempts), RecoveryAttempts, "1 to 1000");
        Require(RecoveryBackoff >= TimeSpan.Zero && RecoveryBackoff <= TimeSpan.FromMinutes(1), nameof(RecoveryBackoff), RecoveryBackoff, "0 to one minute");
        Require(
            RecoveryBackoffMaximum >= RecoveryBackoff && RecoveryBackoffMaximum <= TimeSpan.FromMinutes(1),
            nameof(RecoveryBackoffMaximum),
            RecoveryBackoffMaximum,
            $"{nameof(RecoveryBackoff)} to one minute");
        Require(DisposeTimeout >= TimeSpan.FromMilliseconds(1) && DisposeTimeout <= TimeSpan.FromHours(1), nameof(DisposeTimeout), DisposeTimeout, "1 ms to one hour");
        Require(InterfaceNumber is null or (>= 0 and <= 255), nameof(InterfaceNumber), InterfaceNumber, "0 to 255");
        Require(AlternateSetting is null or (>= 0 and <= 255), nameof(AlternateSetting), AlternateSetting, "0 to 255");
        Require(TimeProvider is not null, nameof(TimeProvider), TimeProvider, "a time provider, not null");
        Require(Logger is not null, nameof(Logger), Logger, "a logger, not null");
    }

    private static void Require(bool holds, string name, object? value, string range)
    {
        if (!holds)
        {
            throw new ArgumentOutOfRangeException(name, value, $"{name} must be {range}.");
        }
    }
}
