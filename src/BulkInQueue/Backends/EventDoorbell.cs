using System.Diagnostics.CodeAnalysis;

namespace BulkIn.Backends;

/// <summary>On an event of the runtime's.</summary>
[SuppressMessage("Design", "CA1001", Justification = "Somebody may ring when the sleeper is gone; the event costs no handle, and its finalizer is enough.")]
internal sealed class EventDoorbell : Doorbell
{
    private readonly AutoResetEvent _event = new(initialState: false);

    public override void Ring() => _ = _event.Set();

    public override void Await() => _ = _event.WaitOne();
}
