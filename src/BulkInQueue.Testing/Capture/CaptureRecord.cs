using System.Runtime.InteropServices;

namespace BulkIn.Testing;

/// <summary>One packet record of a capture file, whatever its container.</summary>
/// <param name="Start">Where the record begins in the file.</param>
/// <param name="LinkType">Its LINKTYPE_ number.</param>
/// <param name="Timestamp">Its time, or null where the container has none.</param>
/// <param name="Bytes">The captured bytes, valid until the next read.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct CaptureRecord(long Start, int LinkType, DateTimeOffset? Timestamp, ReadOnlyMemory<byte> Bytes);

/// <summary>A container of packet records.</summary>
internal interface ICaptureContainer
{
    /// <summary>Reads the next record of a USB link type.</summary>
    /// <returns>False at the end of the file.</returns>
    /// <exception cref="CaptureFormatException">The file is damaged or cut off, or holds nothing of a USB link type.</exception>
    bool TryRead(out CaptureRecord record);
}
