using System.Runtime.InteropServices;

namespace BulkIn.LibUsb;

/// <summary>One queue for each native handle and endpoint in this process: two would take each other's data.</summary>
internal static class EndpointRegistry
{
    // Guards Entries; a leaf: no native call is made under it.
    private static readonly Lock Gate = new();
    private static readonly Dictionary<(nint Handle, byte Endpoint), Entry> Entries = [];

    /// <summary>Reserves the endpoint until the answer is disposed of.</summary>
    /// <param name="owner">The safe handle behind <paramref name="native"/>: when it is closed, the number may belong to another device.</param>
    /// <param name="native">The libusb_device_handle.</param>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="description">How the refusal of a second queue names this one.</param>
    /// <exception cref="InvalidOperationException">It has a queue; the message names it.</exception>
    public static IDisposable Reserve(SafeHandle owner, nint native, byte endpoint, string description)
    {
        var entry = new Entry(owner, (native, endpoint), description);
        lock (Gate)
        {
            if (Entries.TryGetValue(entry.Key, out Entry? first) && (!first.Owner.IsClosed || ReferenceEquals(first.Owner, owner)))
            {
                throw new InvalidOperationException($"Endpoint 0x{endpoint:X2} of this handle already has a queue: {first.Description}. Use that one, or dispose of it first.");
            }

            Entries[entry.Key] = entry;
        }

        return entry;
    }

    private sealed class Entry(SafeHandle owner, (nint Handle, byte Endpoint) key, string description) : IDisposable
    {
        public SafeHandle Owner => owner;

        public (nint Handle, byte Endpoint) Key => key;

        public string Description => description;

        public void Dispose()
        {
            lock (Gate)
            {
                // Another queue may have taken the place of one whose handle was closed.
                if (Entries.TryGetValue(key, out Entry? current) && ReferenceEquals(current, this))
                {
                    _ = Entries.Remove(key);
                }
            }
        }
    }
}
