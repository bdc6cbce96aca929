using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace BulkIn.Gadgets;

/// <summary>The system calls a gadget's files need and .NET's own files do not make as they are: one call, one packet.</summary>
internal static partial class SystemCalls
{
    private const int ReadWriteCloseOnExec = 2 | 0x80000;

    /// <summary>Opens a file for reading and writing.</summary>
    public static SafeFileHandle Open(string path)
    {
        int descriptor = NativeOpen(path, ReadWriteCloseOnExec);
        return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : throw Failed($"open {path}");
    }

    /// <summary>Writes once: for an endpoint that is one transfer, and the call returns when the host has taken it.</summary>
    public static int Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, string what) => Check(NativeWrite(file, bytes, bytes.Length), what);

    /// <summary>Reads once.</summary>
    public static int Read(SafeFileHandle file, Span<byte> bytes, string what) => Check(NativeRead(file, bytes, bytes.Length), what);

    /// <summary>An ioctl without an argument.</summary>
    public static int Control(SafeFileHandle file, uint request, string what) => Check(NativeControl(file, request, 0), what);

    /// <summary>An event that one thread sets and another polls for.</summary>
    public static SafeFileHandle CreateEvent()
    {
        int descriptor = NativeEvent(0, 0x80000);
        return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : throw Failed("eventfd");
    }

    /// <summary>Waits until the first of two files can be read from.</summary>
    /// <returns>False when it is the second one that can.</returns>
    public static bool WaitForFirst(SafeFileHandle first, SafeFileHandle second)
    {
        const short Readable = 1;
        Span<PollEntry> entries = [new((int)first.DangerousGetHandle(), Readable), new((int)second.DangerousGetHandle(), Readable)];
        while (NativePoll(entries, (nuint)entries.Length, -1) < 0)
        {
            if (Marshal.GetLastPInvokeError() != GadgetException.Interrupted)
            {
                throw Failed("poll");
            }
        }

        return entries[1].Returned == 0;
    }

    /// <summary>Mounts a file system.</summary>
    public static void Mount(string source, string target, string type) => _ = Check(NativeMount(source, target, type, 0, 0), $"mount {type} on {target}");

    /// <summary>Unmounts a file system, as soon as nothing uses it.</summary>
    public static void Unmount(string target)
    {
        const int Detach = 2;
        _ = NativeUnmount(target, Detach);
    }

    private static int Check(nint result, string what) => result >= 0 ? (int)result : throw Failed(what);

    private static GadgetException Failed(string what) => new(what, Marshal.GetLastPInvokeError());

    // SAFETY, for all of these: spans are pinned for the call and passed with their own length; a SafeFileHandle stays open for it; the kernel keeps no pointer.
    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int NativeOpen(string path, int flags);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint NativeRead(SafeFileHandle file, Span<byte> buffer, nint count);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint NativeWrite(SafeFileHandle file, ReadOnlySpan<byte> buffer, nint count);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int NativeControl(SafeFileHandle file, nuint request, nint argument);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int NativeEvent(uint initial, int flags);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int NativePoll(Span<PollEntry> entries, nuint count, int timeout);

    [LibraryImport("libc", EntryPoint = "mount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int NativeMount(string source, string target, string type, nuint flags, nint data);

    [LibraryImport("libc", EntryPoint = "umount2", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int NativeUnmount(string target, int flags);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollEntry(int descriptor, short wanted)
    {
        public int Descriptor = descriptor;
        public short Wanted = wanted;
        public short Returned;
    }
}
