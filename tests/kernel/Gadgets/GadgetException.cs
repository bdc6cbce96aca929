using System.ComponentModel;

namespace BulkIn.Gadgets;

/// <summary>A system call on a gadget's files failed.</summary>
public sealed class GadgetException : IOException
{
    /// <summary>The endpoint is disabled: the gadget was unbound, or the host reset or deconfigured it (ESHUTDOWN).</summary>
    public const int Shutdown = 108;

    /// <summary>No device behind the file any more (ENODEV).</summary>
    public const int NoDevice = 19;

    /// <summary>The operation was interrupted (EINTR).</summary>
    public const int Interrupted = 4;

    /// <summary>Not now (EAGAIN).</summary>
    public const int TryAgain = 11;

    /// <summary>Creates the exception.</summary>
    /// <param name="what">What was tried.</param>
    /// <param name="error">The error number.</param>
    public GadgetException(string what, int error)
        : base($"{what}: {new Win32Exception(error).Message} ({error})")
    {
        Error = error;
    }

    /// <summary>The operating system's error number.</summary>
    public int Error { get; }

    /// <summary>True when the host, or unbinding, took the endpoint away.</summary>
    public bool IsDisabled => Error is Shutdown or NoDevice;
}
