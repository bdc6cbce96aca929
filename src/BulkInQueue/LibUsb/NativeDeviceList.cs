namespace BulkIn.LibUsb;

/// <summary>The devices of a context, referenced until disposal.</summary>
internal sealed unsafe class NativeDeviceList : IDisposable
{
    private readonly ILibUsb _libusb;
    private readonly nint _count;
    private nint _list;

    /// <summary>Lists them.</summary>
    /// <exception cref="BulkInException">libusb could not.</exception>
    public NativeDeviceList(ILibUsb libusb, nint context)
    {
        _libusb = libusb;
        _count = libusb.GetDeviceList(context, out _list);
        if (_count < 0)
        {
            throw LibUsbFailure.Of(libusb, (int)_count, "The USB devices could not be listed");
        }
    }

    /// <summary>Reads every device whose descriptor can be read, by bus and port. The pointers are valid until disposal.</summary>
    public IReadOnlyList<(nint Device, LibUsbDeviceInfo Info)> Read()
    {
        ObjectDisposedException.ThrowIf(_list == 0, this);
        List<(nint Device, LibUsbDeviceInfo Info)> read = [];

        // SAFETY: libusb answered an array of _count device pointers.
        foreach (nint device in new ReadOnlySpan<nint>((void*)_list, (int)_count))
        {
            if (DescriptorReader.ReadDevice(_libusb, device) is { } info)
            {
                read.Add((device, info));
            }
        }

        return [.. read.OrderBy(static found => found.Info.BusNumber).ThenBy(static found => found.Info.BusPath, PortOrder.Instance)];
    }

    public void Dispose()
    {
        nint list = _list;
        _list = 0;
        if (list != 0)
        {
            _libusb.FreeDeviceList(list, unrefDevices: 1);
        }
    }

    /// <summary>Orders <c>2-1.10</c> behind <c>2-1.9</c>, and root hubs first.</summary>
    private sealed class PortOrder : IComparer<string>
    {
        public static PortOrder Instance { get; } = new();

        public int Compare(string? x, string? y) => Ports(x).AsSpan().SequenceCompareTo(Ports(y));

        private static int[] Ports(string? path) =>
            path?.IndexOf('-', StringComparison.Ordinal) is int dash and >= 0
                ? [.. path[(dash + 1)..].Split('.').Select(static port => int.Parse(port, System.Globalization.CultureInfo.InvariantCulture))]
                : [];
    }
}
