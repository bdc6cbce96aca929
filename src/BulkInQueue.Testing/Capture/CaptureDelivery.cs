using System.Runtime.InteropServices;

namespace BulkIn.Testing;

/// <summary>A transfer that a <see cref="CaptureReplay"/> completed with data: what the recording knows about it beyond its bytes.</summary>
/// <param name="Time">When it completed on the capturing host, since the first event of the capture.</param>
/// <param name="Timestamp">When it completed on the capturing host.</param>
/// <param name="Length">Bytes handed to the queue.</param>
/// <param name="MissingLength">Bytes that followed them on the bus and were cut by the snap length.</param>
/// <param name="RecordedEndOfMessage">With missing bytes: whether the transfer ended in a short packet on the capturing host; the queue cannot tell,
/// because to it every cut transfer is short. Otherwise <see langword="null"/>: <see cref="BulkInResult.EndOfMessage"/> holds.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct CaptureDelivery(TimeSpan Time, DateTimeOffset Timestamp, int Length, int MissingLength, bool? RecordedEndOfMessage);
