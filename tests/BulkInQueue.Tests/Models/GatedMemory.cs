using System.Buffers;
using BulkIn.Testing;

namespace BulkIn;

/// <summary>A destination at which whoever writes to it stands until the gate opens.</summary>
internal sealed class GatedMemory(SimulationGate gate) : MemoryManager<byte>
{
    private int _looks;

    public byte[] Bytes { get; } = new byte[16];

    public override Memory<byte> Memory => CreateMemory(Bytes.Length);

    // The first look is the receive's check of its arguments.
    public override Span<byte> GetSpan()
    {
        if (Interlocked.Increment(ref _looks) > 1)
        {
            gate.Pass();
        }

        return Bytes;
    }

    public override MemoryHandle Pin(int elementIndex = 0) => throw new NotSupportedException();

    public override void Unpin() => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
    }
}
