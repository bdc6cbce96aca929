using System.Runtime.InteropServices;

namespace BulkIn.Core;

/// <summary>An entry of the ready list: data that is detached from its slot, or a fault at its position in the stream.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly struct ReadyItem
{
    public ReadyItem(in Received data) => Data = data;

    public ReadyItem(Fault fault) => Fault = fault;

    public Received Data { get; }

    public Fault? Fault { get; }
}
