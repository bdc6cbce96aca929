namespace BulkIn.Soak;

/// <summary>What a device sends: one numbered message after the other, mostly shorter than a packet, some of several. One thread at a time.</summary>
/// <param name="random">Decides the lengths.</param>
/// <param name="packetSize">The endpoint's max packet size.</param>
internal sealed class MessageMaker(Random random, int packetSize)
{
    private readonly byte[] _message = new byte[NumberedMessage.LongestMessage];

    /// <summary>Messages made or lost so far: the next one's number.</summary>
    public long Number { get; private set; }

    /// <summary>Makes the next message; its bytes are valid until the next one is made.</summary>
    public ReadOnlyMemory<byte> Next()
    {
        int most = random.Next(10) == 0 ? NumberedMessage.LongestMessage : packetSize;
        Memory<byte> message = _message.AsMemory(0, NumberedMessage.HeaderLength + random.Next(most - NumberedMessage.HeaderLength + 1));
        NumberedMessage.Write(message.Span, Number++);
        return message;
    }

    /// <summary>The next message never leaves the device.</summary>
    public void Lose() => Number++;
}
