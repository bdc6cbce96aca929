using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace BulkIn.UsbMon;

/// <summary>usbmon's binary interface: a ring shared with the kernel, read in batches (Documentation/usb/usbmon.rst).</summary>
internal sealed unsafe partial class UsbMonRing : IDisposable
{
    // The largest the kernel gives. Payloads share it with the records, so a smaller one would drop events.
    private const int RingSize = 1200 * 1024;
    private const int BatchSize = 128;
    private const int ReadNonBlockCloseOnExec = 0x800 | 0x80000;

    private const uint SetRingSize = 0x9204;
    private const uint FetchBatch = 0xC010_9207;
    private const uint GetStatistics = 0x8008_9203;

    private readonly SafeFileHandle _file;
    private readonly SafeFileHandle _wake;
    private readonly byte* _ring;
    private int _unflushed;
    private int _dropped;

    public UsbMonRing(int bus)
    {
        string path = $"/dev/usbmon{bus}";
        int descriptor = Check(Open(path, ReadNonBlockCloseOnExec), $"open {path}");
        _file = new SafeFileHandle(descriptor, ownsHandle: true);
        _wake = new SafeFileHandle(Check(CreateEvent(0, ReadNonBlockCloseOnExec), "eventfd"), ownsHandle: true);
        Check(Control(_file, SetRingSize, (void*)RingSize), "set usbmon's ring size");
        const int ProtectRead = 1;
        const int MapShared = 1;
        nint map = Map(0, RingSize, ProtectRead, MapShared, _file, 0);
        if (map == -1)
        {
            Check(-1, "map usbmon's ring");
        }

        _ring = (byte*)map;
    }

    /// <summary>Events the kernel had no room for, so far.</summary>
    public int Dropped => Volatile.Read(ref _dropped);

    /// <summary>Takes what is there.</summary>
    /// <returns>False when there was nothing.</returns>
    public bool Read(List<UsbMonEvent> events)
    {
        uint* offsets = stackalloc uint[BatchSize];
        var fetch = new Fetch { Offsets = offsets, Count = BatchSize, Flush = (uint)_unflushed };
        // The records of the fetch before are flushed even when there is nothing new; flushing them twice would lose records.
        _unflushed = 0;
        // SAFETY: the kernel writes at most Count offsets into the array, and Fetch is the struct it expects for this request.
        if (Control(_file, FetchBatch, &fetch) < 0)
        {
            return Idle(Marshal.GetLastPInvokeError());
        }

        _unflushed = (int)fetch.Count;
        for (int index = 0; index < _unflushed; index++)
        {
            // SAFETY: offsets lie inside the ring, and the kernel does not reuse a record before it is flushed, which the next fetch does.
            if (UsbMonEvent.TryRead(new ReadOnlySpan<byte>(_ring + offsets[index], UsbMonEvent.HeaderSize), out UsbMonEvent happened))
            {
                events.Add(happened);
            }
        }

        return _unflushed > 0;
    }

    /// <summary>Waits until there is something, or until <see cref="Wake"/>.</summary>
    public void Wait()
    {
        const short Readable = 1;
        PollEntry* entries = stackalloc PollEntry[2];
        entries[0] = new PollEntry { Descriptor = (int)_file.DangerousGetHandle(), Wanted = Readable };
        entries[1] = new PollEntry { Descriptor = (int)_wake.DangerousGetHandle(), Wanted = Readable };
        // SAFETY: two entries, of which the kernel writes the last fields. A failure is an interruption, after which the caller looks again.
        if (Poll(entries, 2, -1) > 0 && entries[1].Returned != 0)
        {
            ulong count;
            // SAFETY: an event's count is eight bytes.
            _ = Read(_wake, &count, sizeof(ulong));
        }
    }

    /// <summary>Ends a <see cref="Wait"/>, the present one or the next. Any thread.</summary>
    public void Wake()
    {
        ulong one = 1;
        // SAFETY: an event's count is eight bytes.
        _ = Write(_wake, &one, sizeof(ulong));
    }

    public void Dispose()
    {
        _ = Unmap((nint)_ring, RingSize);
        _file.Dispose();
        _wake.Dispose();
    }

    private bool Idle(int error)
    {
        const int TryAgain = 11;
        const int Interrupted = 4;
        if (error is not (TryAgain or Interrupted))
        {
            throw new IOException($"usbmon: {new Win32Exception(error).Message} ({error})");
        }

        Statistics statistics;
        // SAFETY: the kernel fills the two numbers of the struct.
        Check(Control(_file, GetStatistics, &statistics), "read usbmon's statistics");
        // The kernel's count begins again at each question.
        Volatile.Write(ref _dropped, _dropped + (int)statistics.Dropped);
        return false;
    }

    private static int Check(int result, string what)
    {
        int error = Marshal.GetLastPInvokeError();
        return result >= 0 ? result : throw new IOException($"{what}: {new Win32Exception(error).Message} ({error})");
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Control(SafeFileHandle file, nuint request, void* argument);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Map(nint address, nint length, int protection, int flags, SafeFileHandle file, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Unmap(nint address, nint length);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int CreateEvent(uint initial, int flags);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Read(SafeFileHandle file, void* buffer, nint count);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Write(SafeFileHandle file, void* buffer, nint count);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Poll(PollEntry* entries, nuint count, int timeout);

    [StructLayout(LayoutKind.Sequential)]
    private struct Fetch
    {
        public uint* Offsets;
        public uint Count;
        public uint Flush;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Statistics
    {
        public uint Queued;
        public uint Dropped;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PollEntry
    {
        public int Descriptor;
        public short Wanted;
        public short Returned;
    }
}
