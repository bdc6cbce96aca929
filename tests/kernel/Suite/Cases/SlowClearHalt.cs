using BulkIn.VirtualUsb;

namespace BulkIn.Bench;

/// <summary>A silent device that keeps CLEAR_FEATURE(ENDPOINT_HALT) waiting until it is told to answer.</summary>
internal sealed class SlowClearHalt : UsbFunction, IDisposable
{
    private Urb? _request;
    private volatile bool _prompt;

    /// <summary>Set once the request has arrived.</summary>
    public ManualResetEventSlim ClearHaltArrived { get; } = new();

    /// <summary>Answers the request, and every later one at once.</summary>
    /// <param name="device">The device.</param>
    public void AnswerClearHalt(VirtualUsbDevice device)
    {
        _prompt = true;
        if (_request is { } request)
        {
            device.AnswerStandard(request);
        }
    }

    public override void Submitted(Urb urb)
    {
        if (!urb.IsIn)
        {
            urb.Complete();
        }
    }

    public override bool Control(Urb urb)
    {
        if (_prompt || !urb.Setup.IsClearHalt)
        {
            return false;
        }

        _request = urb;
        ClearHaltArrived.Set();
        return true;
    }

    public void Dispose() => ClearHaltArrived.Dispose();
}
