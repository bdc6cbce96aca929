using System.Collections.Concurrent;
using BulkIn.VirtualUsb;

namespace BulkIn.KernelBenchTests;

/// <summary>A function that keeps what it is told, for the test to answer.</summary>
internal sealed class RecordingFunction : UsbFunction
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly BlockingCollection<Urb> _submitted = [];
    private readonly BlockingCollection<Urb> _unlinking = [];
    private readonly BlockingCollection<uint> _tooLate = [];
    private readonly ManualResetEventSlim _unplugged = new();

    /// <summary>What to do with a URB before it is kept.</summary>
    public Action<Urb>? OnSubmitted { get; init; }

    /// <summary>True to leave unlinks to the test.</summary>
    public bool KeepsUnlinks { get; init; }

    public Urb NextSubmitted() => Next(_submitted);

    public Urb NextUnlinking() => Next(_unlinking);

    public uint NextUnlinkedTooLate() => Next(_tooLate);

    public bool WaitUntilUnplugged() => _unplugged.Wait(Patience);

    public override void Submitted(Urb urb)
    {
        OnSubmitted?.Invoke(urb);
        _submitted.Add(urb);
    }

    public override void Unlinking(Urb urb)
    {
        _unlinking.Add(urb);
        if (!KeepsUnlinks)
        {
            base.Unlinking(urb);
        }
    }

    public override void Unplugged() => _unplugged.Set();

    public override void UnlinkedTooLate(uint sequenceNumber) => _tooLate.Add(sequenceNumber);

    private static T Next<T>(BlockingCollection<T> queue) =>
        queue.TryTake(out T? told, Patience) ? told : throw new TimeoutException("The function was not told of a URB.");
}
