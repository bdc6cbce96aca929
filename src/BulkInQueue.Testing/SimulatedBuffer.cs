using System.Runtime.InteropServices;
using BulkIn.Backends;

namespace BulkIn.Testing;

/// <summary>The endpoint's own pinned memory: guard bytes on both sides, and never really freed before the endpoint is, so that a late write is seen.</summary>
internal sealed class SimulatedBuffer : TransferBuffer
{
    internal const byte Posted = 0xA5;
    internal const byte Freed = 0xDD;
    private const byte Guard = 0x5A;
    private const int GuardLength = 64;

    private readonly SimulatedEndpoint _endpoint;
    private readonly byte[] _array;
    private readonly Memory<byte> _memory;

    internal SimulatedBuffer(SimulatedEndpoint endpoint, int number, int length)
    {
        _endpoint = endpoint;
        Number = number;
        _array = GC.AllocateUninitializedArray<byte>(checked(length + (2 * GuardLength)), pinned: true);
        _memory = MemoryMarshal.CreateFromPinnedArray(_array, GuardLength, length);
        _memory.Span.Fill(Posted);
        Guards(0).Fill(Guard);
        Guards(1).Fill(Guard);

        // The array is on the pinned heap, so the address holds for as long as this object keeps it.
        Address = Marshal.UnsafeAddrOfPinnedArrayElement(_array, GuardLength);
    }

    internal int Number { get; }

    /// <summary>The transfer it is posted with. Guarded by the endpoint's lock.</summary>
    internal SimulatedTransfer? Owner { get; set; }

    /// <summary>Guarded by the endpoint's lock.</summary>
    internal bool IsFreed { get; private set; }

    internal bool GuardsHold => !Guards(0).ContainsAnyExcept(Guard) && !Guards(1).ContainsAnyExcept(Guard);

    /// <summary>True while no byte changed since the free.</summary>
    internal bool StayedFreed => !_memory.Span.ContainsAnyExcept(Freed);

    public override nint Address { get; }

    public override Memory<byte> Memory
    {
        get
        {
            if (IsFreed)
            {
                throw _endpoint.AccuseFreedBuffer(this);
            }

            return _memory;
        }
    }

    /// <summary>The memory for the device's side, which may write into a posted buffer whatever the queue did to it.</summary>
    internal Span<byte> Bytes => _memory.Span;

    internal void MarkFreed(bool poison)
    {
        IsFreed = true;
        if (poison)
        {
            _memory.Span.Fill(Freed);
        }
    }

    protected override void Dispose(bool disposing) => _endpoint.DisposeBuffer(this);

    private Span<byte> Guards(int side) => _array.AsSpan(side == 0 ? 0 : _array.Length - GuardLength, GuardLength);
}
