namespace BulkIn.LibUsb;

/// <summary>How native calls get at a device handle: the one place that decides whether the handle can be closed under them.</summary>
internal interface IDeviceAccess : IDisposable
{
    /// <summary>The library that opened the handle.</summary>
    ILibUsb LibUsb { get; }

    /// <summary>True when somebody else owns the handle and may close it.</summary>
    bool OwnerMayClose { get; }

    /// <summary>True once the owner closed the handle.</summary>
    bool IsClosed { get; }

    /// <summary>Begins a native call. False: the handle is closed, make none. True: it stays open until <see cref="Exit"/>.</summary>
    bool TryEnter(out nint handle);

    /// <summary>Ends a native call.</summary>
    void Exit();

    /// <summary>Told before a submit, and taken back by <see cref="TransferEnded"/> when the submit fails.</summary>
    void TransferStarting();

    /// <summary>Told of each completion, in its callback, and of each failed submit.</summary>
    void TransferEnded();

    /// <summary>An access of its own to the same handle, to be disposed of by itself.</summary>
    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    IDeviceAccess Share();
}
