using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace BulkIn.VirtualUsb;

/// <summary>Two connected stream sockets: one stays here, the other is handed to the kernel.</summary>
internal static partial class SocketPair
{
    private const int AddressFamilyUnix = 1;
    private const int StreamCloseOnExec = 1 | 0x80000;

    /// <summary>Creates a pair.</summary>
    /// <exception cref="SocketException">The system has no more descriptors.</exception>
    public static (Socket Ours, Socket Theirs) Create()
    {
        Span<int> descriptors = stackalloc int[2];
        if (NativeSocketPair(AddressFamilyUnix, StreamCloseOnExec, 0, descriptors) != 0)
        {
            throw new SocketException(Marshal.GetLastPInvokeError());
        }

        return (Own(descriptors[0]), Own(descriptors[1]));
    }

#pragma warning disable CA2000 // The socket owns the handle from here on.
    private static Socket Own(int descriptor) => new(new SafeSocketHandle(descriptor, ownsHandle: true));
#pragma warning restore CA2000

    // SAFETY: the span is pinned for the call, and socketpair(2) writes exactly two descriptors into it.
    [LibraryImport("libc", EntryPoint = "socketpair", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int NativeSocketPair(int domain, int type, int protocol, Span<int> descriptors);
}
