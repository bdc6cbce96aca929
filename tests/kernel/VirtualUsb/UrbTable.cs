namespace BulkIn.VirtualUsb;

/// <summary>The URBs that the host waits for, and the one place where they are answered. Any thread.</summary>
/// <remarks>
/// One lock keeps the table and the outgoing messages in step: a URB leaves the table in the same step in which its answer goes out. Otherwise an unlink
/// that found the table empty could be answered before the URB itself, and the kernel, which then knows no such URB, would drop the device. Hanging up
/// takes the lock, too: of an answer cut in two the kernel hands out the length without the bytes. The kernel always reads, so writing under the lock
/// does not wait for anybody who could wait for it.
/// </remarks>
internal sealed class UrbTable(UsbIpConnection connection)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<uint, Urb> _pending = [];

    /// <summary>How many there are.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _pending.Count;
            }
        }
    }

    /// <summary>Those of an endpoint, oldest first.</summary>
    public IReadOnlyList<Urb> On(byte endpoint)
    {
        lock (_gate)
        {
            return [.. _pending.Values.Where(urb => urb.Endpoint == endpoint).OrderBy(urb => urb.SequenceNumber)];
        }
    }

    /// <summary>True until the URB is answered.</summary>
    public bool Contains(Urb urb)
    {
        lock (_gate)
        {
            return _pending.ContainsKey(urb.SequenceNumber);
        }
    }

    /// <summary>The host submitted a URB.</summary>
    public void Add(Urb urb)
    {
        lock (_gate)
        {
            _pending.Add(urb.SequenceNumber, urb);
        }
    }

    /// <summary>The host wants a URB back.</summary>
    /// <returns>The URB, or null when it has been answered, which the host is told.</returns>
    public Urb? Unlink(in UsbIpHeader command)
    {
        lock (_gate)
        {
            if (_pending.TryGetValue(command.UnlinkSequence, out Urb? urb))
            {
                urb.UnlinkSequence = command.Sequence;
                return urb;
            }

            // The answer and the unlink crossed.
            _ = connection.ReplyToUnlink(command.Sequence, status: 0);
            return null;
        }
    }

    /// <summary>Ends the conversation, between two answers.</summary>
    public void HangUp()
    {
        lock (_gate)
        {
            connection.Shutdown();
        }
    }

    /// <summary>Answers a URB, unless it has an answer.</summary>
    public bool Answer(Urb urb, ReadOnlySpan<byte> data, int actualLength, int status)
    {
        lock (_gate)
        {
            return _pending.Remove(urb.SequenceNumber)
                && connection.Reply(urb.SequenceNumber, status, actualLength, data)
                // Status 0: the URB had been answered, as the reply above has just done.
                && (urb.UnlinkSequence == 0 || connection.ReplyToUnlink(urb.UnlinkSequence, status: 0));
        }
    }

    /// <summary>Gives a URB back as unlinked, if the host asked for that and it has no answer.</summary>
    public bool ConfirmUnlink(Urb urb)
    {
        lock (_gate)
        {
            return urb.UnlinkSequence != 0 && _pending.Remove(urb.SequenceNumber) && connection.ReplyToUnlink(urb.UnlinkSequence, UrbStatus.Unlinked);
        }
    }
}
