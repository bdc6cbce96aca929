using BulkIn.VirtualUsb;

namespace BulkIn.Bench;

/// <summary>A device that sends nothing, until the host wants a transfer back: that one, the first, it answers with some bytes and a protocol error.</summary>
internal sealed class FailingUnlink : UsbFunction
{
    private volatile bool _hasFailed;

    /// <summary>What the failed transfer brings.</summary>
    public static ReadOnlySpan<byte> Bytes => [1, 2, 3];

    public bool HasFailed => _hasFailed;

    public override void Submitted(Urb urb)
    {
    }

    public override void Unlinking(Urb urb)
    {
        if (_hasFailed)
        {
            base.Unlinking(urb);
            return;
        }

        _hasFailed = urb.Complete(Bytes, UrbStatus.Protocol);
    }
}
