namespace BulkIn.Adapters;

/// <summary>
/// The one rule by which the adapters end: an unplug ends the stream as a stop does, because there is nothing more to come and nothing was lost. Everything else
/// is thrown.
/// </summary>
internal static class StreamEnd
{
    public static bool IsUnplug(this BulkInException fault) => fault.Error == BulkInError.DeviceGone;
}
