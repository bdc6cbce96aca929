using System.Reflection;
using System.Runtime.InteropServices;

namespace BulkIn.LibUsb;

/// <summary>Finds and loads libusb, once for the process.</summary>
internal static class LibUsbLibrary
{
    /// <summary>The name the P/Invokes carry: nobody else's, so that the resolver below is the only one that answers to it.</summary>
    public const string ImportName = "BulkInQueue.libusb-1.0";

    /// <summary>The environment variable that names another libusb.</summary>
    public const string PathVariable = "BULKINQUEUE_LIBUSB";

    // The youngest export that every platform needs: 1.0.21.
    private const string NewestNeeded = "libusb_interrupt_event_handler";

    // Guards the load, which happens once; held around the loader, so that two first callers do not set two resolvers.
    private static readonly Lock Gate = new();
    private static NativeLibUsb? s_loaded;
    private static nint s_module;

    /// <summary>The loaded library. Loads it at the first call; a failure is not remembered, so that a library installed meanwhile is found.</summary>
    /// <exception cref="DllNotFoundException">There is none; the message says how to install it.</exception>
    public static ILibUsb Load()
    {
        NativeLibUsb? loaded = Volatile.Read(ref s_loaded);
        if (loaded is not null)
        {
            return loaded;
        }

        lock (Gate)
        {
            if (s_loaded is null)
            {
                Assembly assembly = typeof(LibUsbLibrary).Assembly;
                s_module = LoadModule(Environment.GetEnvironmentVariable(PathVariable), LibUsbPlatforms.Current, TryLoad);

                // Once per assembly: a second call would throw, and is not reached because s_loaded is set below.
                NativeLibrary.SetDllImportResolver(assembly, static (name, _, _) => string.Equals(name, ImportName, StringComparison.Ordinal) ? s_module : 0);
                Volatile.Write(ref s_loaded, new NativeLibUsb(s_module));
            }

            return s_loaded!;
        }
    }

    internal delegate bool TryLoadModule(string name, out nint module);

    /// <summary>Loads a library and looks whether it is a libusb that will do: one that is not would fail at some later call, by the name of a function.</summary>
    internal static bool TryLoad(string name, out nint module) =>
        NativeLibrary.TryLoad(name, typeof(LibUsbLibrary).Assembly, DllImportSearchPath.SafeDirectories, out module)
        && NativeLibrary.TryGetExport(module, NewestNeeded, out _);

    /// <summary>Tries the override alone, or else the platform's names in order.</summary>
    internal static nint LoadModule(string? overridePath, LibUsbPlatform platform, TryLoadModule tryLoad)
    {
        if (!string.IsNullOrEmpty(overridePath))
        {
            return tryLoad(overridePath, out nint chosen)
                ? chosen
                : throw new DllNotFoundException($"The environment variable {PathVariable} names '{overridePath}', which could not be loaded as a libusb. Correct it to the path of a libusb-1.0 library, version 1.0.21 or newer, of this process's architecture ({RuntimeInformation.ProcessArchitecture}), or unset it.");
        }

        // Base names first: the loader then answers with the copy that is already in the process (LibUsbDotNet's, for one), and a handle is only valid
        // in the copy that made it. The absolute paths are Homebrew's, which macOS does not search by itself.
        string[] candidates = platform switch
        {
            LibUsbPlatform.Windows => ["libusb-1.0.dll"],
            LibUsbPlatform.MacOS => ["libusb-1.0.0.dylib", "/opt/homebrew/lib/libusb-1.0.0.dylib", "/usr/local/lib/libusb-1.0.0.dylib", "/opt/local/lib/libusb-1.0.0.dylib"],
            _ => ["libusb-1.0.so.0", "libusb-1.0.so"],
        };

        foreach (string candidate in candidates)
        {
            if (tryLoad(candidate, out nint module))
            {
                return module;
            }
        }

        string install = platform switch
        {
            LibUsbPlatform.Windows => "Put libusb-1.0.dll (from the VS2022 folder of the release at https://libusb.info) beside the application",
            LibUsbPlatform.MacOS => "Install it with 'brew install libusb'",
            _ => "Install it: 'apt install libusb-1.0-0' on Debian and Ubuntu, 'dnf install libusb1' on Fedora, 'pacman -S libusb' on Arch, 'apk add libusb' on Alpine",
        };
        throw new DllNotFoundException($"libusb 1.0.21 or newer is not installed (looked for {string.Join(", ", candidates)}, {RuntimeInformation.ProcessArchitecture}). {install}, or set the environment variable {PathVariable} to its path.");
    }
}
