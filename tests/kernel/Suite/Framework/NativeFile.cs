using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace BulkIn.Bench;

/// <summary>A device file that is read record by record and says "not now" instead of ending.</summary>
internal static partial class NativeFile
{
    private const int ReadNonBlockCloseOnExec = 0x800 | 0x80000;
    private const int BrokenPipe = 32;
    private const int TryAgain = 11;

    public static SafeFileHandle OpenNonBlocking(string path)
    {
        int descriptor = Open(path, ReadNonBlockCloseOnExec);
        return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : throw Failed($"open {path}");
    }

    /// <summary>Reads a record; false when there is none.</summary>
    public static bool TryRead(SafeFileHandle file, Span<byte> buffer, out int length)
    {
        while (true)
        {
            length = (int)Read(file, buffer, buffer.Length);
            if (length >= 0)
            {
                return length > 0;
            }

            switch (Marshal.GetLastPInvokeError())
            {
                case TryAgain:
                    return false;
                case BrokenPipe:
                    // Older records were overwritten meanwhile; the next read goes on behind them.
                    continue;
                default:
                    throw Failed("read");
            }
        }
    }

    private static IOException Failed(string what)
    {
        int error = Marshal.GetLastPInvokeError();
        return new IOException($"{what}: {new Win32Exception(error).Message} ({error})");
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(string path, int flags);

    // SAFETY: the span is pinned for the call and passed with its own length.
    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Read(SafeFileHandle file, Span<byte> buffer, nint count);
}
