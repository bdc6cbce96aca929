using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using BulkIn.Backends;

namespace BulkIn.Testing;

/// <summary>What a <see cref="SimulatedEvent"/> records.</summary>
public enum SimulatedEventKind
{
    /// <summary>The queue allocated a buffer.</summary>
    BufferAllocated = 0,

    /// <summary>The queue freed a buffer.</summary>
    BufferDisposed,

    /// <summary>The queue created a transfer.</summary>
    TransferCreated,

    /// <summary>The queue freed a transfer.</summary>
    TransferDisposed,

    /// <summary>The queue disposed of the backend.</summary>
    BackendDisposed,

    /// <summary>A submit was accepted: the transfer is posted.</summary>
    Submitted,

    /// <summary>A submit was refused: <see cref="SimulatedEvent.Result"/> says how.</summary>
    SubmitRefused,

    /// <summary>A transfer left the bus; its completion is not reported yet.</summary>
    Retired,

    /// <summary>A completion is being reported to the queue.</summary>
    Completed,

    /// <summary>The queue asked for a cancel.</summary>
    CancelRequested,

    /// <summary>The cancel call returned.</summary>
    CancelAnswered,

    /// <summary>The queue asked for the halt to be cleared.</summary>
    ClearHaltRequested,

    /// <summary>Clearing the halt ended.</summary>
    ClearHaltAnswered,

    /// <summary>The queue asked whether the device is there.</summary>
    ProbeRequested,

    /// <summary>The probe was answered: <see cref="SimulatedEvent.Presence"/> says what.</summary>
    ProbeAnswered,

    /// <summary>The device offered bytes.</summary>
    Delivered,

    /// <summary>The device halted the endpoint.</summary>
    Halted,

    /// <summary>The device was unplugged.</summary>
    Unplugged,

    /// <summary>Something outside the queue ended its transfers.</summary>
    Interrupted,

    /// <summary>The cause of an interruption is over.</summary>
    Restored,

    /// <summary>The owner of the handle closed it.</summary>
    HandleClosed,

    /// <summary>A scripted failure was armed.</summary>
    FailureArmed,

    /// <summary>The code under test broke the contract.</summary>
    Misuse,
}

/// <summary>One entry of a <see cref="SimulationLog"/>.</summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct SimulatedEvent
{
    /// <summary>0, 1, 2, … over the life of the endpoint, also for events a limited log no longer holds.</summary>
    public long Sequence { get; init; }

    /// <summary>Time since the endpoint was created, by its <see cref="SimulatedEndpointOptions.TimeProvider"/>.</summary>
    public TimeSpan Time { get; init; }

    /// <summary>What happened.</summary>
    public SimulatedEventKind Kind { get; init; }

    /// <summary>The transfer's number in the order of creation, or -1.</summary>
    public int Slot { get; init; }

    /// <summary>The number of the accepted submit this belongs to: 0, 1, 2, … in submission order, or -1.</summary>
    public long Submission { get; init; }

    /// <summary>Bytes: of the buffer for a submit, received for a completion, offered for a delivery; otherwise 0.</summary>
    public int Length { get; init; }

    /// <summary>How the transfer ended, for <see cref="SimulatedEventKind.Retired"/> and <see cref="SimulatedEventKind.Completed"/>.</summary>
    public TransferStatus? Status { get; init; }

    /// <summary>What the call answered, for calls.</summary>
    public BackendStatus? Result { get; init; }

    /// <summary>What the probe proved, for <see cref="SimulatedEventKind.ProbeAnswered"/>.</summary>
    public DevicePresence? Presence { get; init; }

    /// <summary>Transfers on the bus just after the event.</summary>
    public int Posted { get; init; }

    /// <summary>One line: <c>#12 +1.500 ms Completed slot 3 submission 17 512 bytes Completed, 7 posted</c>.</summary>
    /// <returns>The line.</returns>
    public override string ToString()
    {
        StringBuilder line = new();
        line.Append(CultureInfo.InvariantCulture, $"#{Sequence} +{Time.TotalMilliseconds:0.000} ms {Kind}");
        if (Slot >= 0)
        {
            line.Append(CultureInfo.InvariantCulture, $" slot {Slot}");
        }

        if (Submission >= 0)
        {
            line.Append(CultureInfo.InvariantCulture, $" submission {Submission}");
        }

        if (HasLength)
        {
            line.Append(CultureInfo.InvariantCulture, $" {Length} bytes");
        }

        if (Status is { } status)
        {
            line.Append(CultureInfo.InvariantCulture, $" {status}");
        }

        if (Result is { } result)
        {
            line.Append(CultureInfo.InvariantCulture, $" -> {result}");
        }

        if (Presence is { } presence)
        {
            line.Append(CultureInfo.InvariantCulture, $" -> {presence}");
        }

        line.Append(CultureInfo.InvariantCulture, $", {Posted} posted");
        return line.ToString();
    }

    private bool HasLength => Kind is SimulatedEventKind.Submitted or SimulatedEventKind.Retired or SimulatedEventKind.Completed or SimulatedEventKind.Delivered
        or SimulatedEventKind.BufferAllocated or SimulatedEventKind.BufferDisposed;
}
