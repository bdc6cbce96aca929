using BulkIn.VirtualUsb;

namespace BulkIn.Bench;

/// <summary>A device that keeps CLEAR_FEATURE(ENDPOINT_HALT) waiting until it is told to answer, and is silent until it is told to send.</summary>
internal sealed class SlowClearHalt : UsbFunction, IDisposable
{
    private readonly Lock _gate = new();
    private readonly ManualResetEventSlim _arrived = new();
    private Urb? _request;
    private bool _prompt;
    private byte[]? _reply;

    /// <summary>Set once the request has arrived.</summary>
    public ManualResetEventSlim ClearHaltArrived => _arrived;

    /// <summary>True while the host waits for the answer: it has neither come nor been given up.</summary>
    public bool IsClearHaltWaiting
    {
        get
        {
            lock (_gate)
            {
                return _request is { IsAnswered: false };
            }
        }
    }

    /// <summary>Answers the request, and every later one at once.</summary>
    /// <param name="device">The device.</param>
    public void AnswerClearHalt(VirtualUsbDevice device)
    {
        Urb? request;
        lock (_gate)
        {
            _prompt = true;
            request = _request;
        }

        if (request is not null)
        {
            device.AnswerStandard(request);
        }
    }

    /// <summary>Keeps the next request waiting again.</summary>
    public void KeepClearHalt()
    {
        lock (_gate)
        {
            _prompt = false;
            _request = null;
            _arrived.Reset();
        }
    }

    /// <summary>Answers each IN transfer that is submitted from now on.</summary>
    /// <param name="reply">With what.</param>
    public void Send(byte[] reply) => Volatile.Write(ref _reply, reply);

    public override void Submitted(Urb urb)
    {
        if (!urb.IsIn)
        {
            urb.Complete();
        }
        else if (Volatile.Read(ref _reply) is { } reply)
        {
            urb.Complete(reply);
        }
    }

    public override bool Control(Urb urb)
    {
        lock (_gate)
        {
            if (_prompt || !urb.Setup.IsClearHalt)
            {
                return false;
            }

            _request = urb;
            _arrived.Set();
            return true;
        }
    }

    public void Dispose() => _arrived.Dispose();
}
