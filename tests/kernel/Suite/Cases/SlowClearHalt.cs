using BulkIn.VirtualUsb;

namespace BulkIn.Bench;

/// <summary>A silent device that keeps CLEAR_FEATURE(ENDPOINT_HALT) waiting until it is told to answer.</summary>
internal sealed class SlowClearHalt : UsbFunction, IDisposable
{
    private Urb? _request;

    /// <summary>Set once the request has arrived.</summary>
    public ManualResetEventSlim ClearHaltArrived { get; } = new();

    /// <summary>Answers the request.</summary>
    /// <param name="status">How.</param>
    public void AnswerClearHalt(int status = UrbStatus.Success) => _request?.Complete(status);

    public override void Submitted(Urb urb)
    {
        if (!urb.IsIn)
        {
            urb.Complete();
        }
    }

    public override bool Control(Urb urb)
    {
        if (!urb.Setup.IsClearHalt)
        {
            return false;
        }

        _request = urb;
        ClearHaltArrived.Set();
        return true;
    }

    public void Dispose() => ClearHaltArrived.Dispose();
}
