using System.Globalization;

namespace BulkIn.Testing;

/// <summary>Who waits for whom between a host and a <see cref="SimulatedDock"/>, at one moment.</summary>
/// <param name="WaitingOut">The number of the OUT that is NAKed, or <see langword="null"/> when none is.</param>
/// <param name="WaitingReplies">Replies in the dock's FIFO.</param>
/// <param name="Capacity">Replies its FIFO holds.</param>
/// <param name="WaitingBytes">Bytes in the FIFO.</param>
/// <param name="BlockedReplies">Replies that are ready and do not fit into the FIFO.</param>
/// <param name="Posted">IN transfers on the bus.</param>
public sealed record SimulatedDockDiagnosis(long? WaitingOut, int WaitingReplies, int Capacity, int WaitingBytes, int BlockedReplies, int Posted)
{
    /// <summary>True when an OUT waits for room in the FIFO and no IN transfer is posted to make some: unless the host posts one by itself, both wait for ever.</summary>
    public bool IsStalled => WaitingOut is not null && Posted == 0;

    /// <summary>One sentence: <c>OUT 3 is NAKed: reply FIFO full (2 of 2 replies, 64 bytes), no IN transfer posted.</c></summary>
    /// <returns>The sentence.</returns>
    public override string ToString()
    {
        string transfers = Posted switch
        {
            0 => "no IN transfer posted",
            1 => "1 IN transfer posted",
            _ => string.Create(CultureInfo.InvariantCulture, $"{Posted} IN transfers posted"),
        };
        string blocked = BlockedReplies == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $", {BlockedReplies} more blocked behind it");
        string full = WaitingReplies >= Capacity ? " full" : "";
        string fifo = string.Create(CultureInfo.InvariantCulture, $"reply FIFO{full} ({WaitingReplies} of {Capacity} replies, {WaitingBytes} bytes{blocked})");
        return WaitingOut is { } number
            ? string.Create(CultureInfo.InvariantCulture, $"OUT {number} is NAKed: {fifo}, {transfers}.")
            : string.Create(CultureInfo.InvariantCulture, $"No OUT waits: {fifo}, {transfers}.");
    }
}
