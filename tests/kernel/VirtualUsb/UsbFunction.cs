namespace BulkIn.VirtualUsb;

/// <summary>
/// What a virtual device does. Derive from it and answer URBs; the chapter 9 requests are answered already. Every method here is called on the device's
/// own thread, one at a time and in the order the host acts, so a method that blocks holds the whole device. One that throws unplugs it
/// (<see cref="VirtualUsbDevice.Failure"/>).
/// </summary>
public abstract class UsbFunction
{
    private VirtualUsbDevice? _device;

    /// <summary>The device this is the behaviour of. Set before the first URB arrives.</summary>
    /// <exception cref="InvalidOperationException">It was not plugged in yet.</exception>
    public VirtualUsbDevice Device => _device ?? throw new InvalidOperationException("The function is not plugged in: VirtualUsbDevice.Plug does that.");

    /// <summary>A URB arrived at a bulk or interrupt endpoint that is not halted. It may be kept and answered later.</summary>
    /// <param name="urb">The request.</param>
    public abstract void Submitted(Urb urb);

    /// <summary>The host wants a URB back that was not answered yet. The default gives it back at once; a device may also complete it first,
    /// give it back later, or never.</summary>
    /// <param name="urb">The request.</param>
    public virtual void Unlinking(Urb urb)
    {
        ArgumentNullException.ThrowIfNull(urb);
        urb.ConfirmUnlink();
    }

    /// <summary>The host wants a URB back whose answer is on its way already: it gets the answer's data, but as of a URB that was unlinked, whatever the answer's status.</summary>
    /// <param name="sequenceNumber">The URB's.</param>
    public virtual void UnlinkedTooLate(uint sequenceNumber)
    {
    }

    /// <summary>A control request arrived. The default leaves every one to the standard answers, which stall what chapter 9 does not name.</summary>
    /// <param name="urb">The request, with its <see cref="Urb.Setup"/>.</param>
    /// <returns>True when this method has answered the request, or will answer it later.</returns>
    public virtual bool Control(Urb urb) => false;

    /// <summary>The device was unplugged, or the function threw: what was not answered will never be. The last call.</summary>
    public virtual void Unplugged()
    {
    }

    /// <summary>Ties the function to its device, for good.</summary>
    /// <exception cref="InvalidOperationException">It has one already.</exception>
    internal void Bind(VirtualUsbDevice device)
    {
        if (Interlocked.CompareExchange(ref _device, device, null) is not null)
        {
            throw new InvalidOperationException("The function is another device's: each device needs one of its own.");
        }
    }

    /// <summary>The device never came to be.</summary>
    internal void Release() => _device = null;
}
