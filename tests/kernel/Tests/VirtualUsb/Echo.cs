using BulkIn.VirtualUsb;

namespace BulkIn.KernelBenchTests;

/// <summary>The README's example: answers each IN with what an OUT brought.</summary>
internal sealed class Echo : UsbFunction
{
    private readonly Queue<byte[]> _replies = new();
    private readonly Queue<Urb> _waiting = new();

    // On the device's thread, one at a time.
    public override void Submitted(Urb urb)
    {
        if (urb.IsIn)
        {
            _waiting.Enqueue(urb);
        }
        else
        {
            _replies.Enqueue(urb.Data.ToArray());
            urb.Complete();
        }

        while (_replies.Count > 0 && _waiting.TryDequeue(out Urb? next))
        {
            // Later, from any thread, is fine as well.
            next.Complete(_replies.Dequeue());
        }
    }
}
