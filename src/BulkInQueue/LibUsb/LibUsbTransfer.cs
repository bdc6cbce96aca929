using System.Diagnostics;
using System.Runtime.InteropServices;
using BulkIn.Backends;

namespace BulkIn.LibUsb;

/// <summary>One libusb_transfer of a queue's IN endpoint, reused for every submit.</summary>
/// <remarks>
/// <code>
/// Idle --Submit--> Posted --OnCompleted--> Idle --Dispose--> Freed
/// </code>
/// <para>A strong GCHandle in user_data roots this object from its construction to its disposal, and while it is posted it roots the buffer. So
/// nothing the kernel may write into can be collected, whatever its users drop, and a transfer whose completion never comes is kept for good.</para>
/// </remarks>
internal sealed unsafe class LibUsbTransfer : IBulkInTransfer
{
    private readonly IDeviceAccess _access;
    private readonly ILibUsb _libusb;
    private readonly ITransferCompletion _completion;
    private NativeTransfer* _native;
    private GCHandle<LibUsbTransfer> _self;
    private TransferBuffer? _buffer;
    private volatile bool _posted;

    /// <summary>Allocates the native transfer.</summary>
    /// <param name="access">Shared with the backend, which outlives its transfers.</param>
    /// <param name="endpoint">The endpoint; bulk or interrupt.</param>
    /// <param name="completion">Told of each completion.</param>
    /// <exception cref="InsufficientMemoryException">libusb has no memory for it.</exception>
    public LibUsbTransfer(IDeviceAccess access, BulkInEndpoint endpoint, ITransferCompletion completion)
    {
        _access = access;
        _libusb = access.LibUsb;
        _completion = completion;
        _native = _libusb.AllocTransfer();
        if (_native is null)
        {
#pragma warning disable MA0012 // The seam's contract names it; no memory is what libusb ran out of.
            throw new InsufficientMemoryException($"libusb could not allocate a transfer for endpoint 0x{endpoint.Address:X2}.");
#pragma warning restore MA0012
        }

        _self = new GCHandle<LibUsbTransfer>(this);

        // libusb_alloc_transfer answers zeroed memory: no flags, no timeout (the wait is timed, never the transfer), no isochronous packets.
        _native->Endpoint = endpoint.Address;
        _native->Type = (byte)endpoint.TransferType;
        _native->Callback = &OnCompleted;
        _native->UserData = GCHandle<LibUsbTransfer>.ToIntPtr(_self);
    }

    public BackendResult Submit(TransferBuffer buffer)
    {
        ArgumentNullException.ThrowIfNull(buffer);
        ObjectDisposedException.ThrowIf(_native is null, this);
        Debug.Assert(!_posted, "A posted transfer must not be submitted.");
        if (!_access.TryEnter(out nint handle))
        {
            return new BackendResult(BackendStatus.HandleClosed);
        }

        NativeTransfer* native = _native;
        native->DevHandle = handle;
        native->Buffer = (byte*)buffer.Address;
        native->Length = buffer.Length;
        _buffer = buffer;
        _posted = true;
        _access.TransferStarting();

        // SAFETY: the transfer is not in flight, the handle is open until Exit, and buffer stays alive and in place (see the class remarks). The
        // completion may run before this returns, so after a success nothing of this transfer is touched here.
        int code = _libusb.SubmitTransfer(native);
        BackendResult result = default;
        if (code != LibUsbCode.Success)
        {
            result = LibUsbCode.ToResult(code, Marshal.GetLastSystemError());
            _access.TransferEnded();
            _posted = false;
            _buffer = null;
        }

        _access.Exit();
        return result;
    }

    public BackendResult Cancel()
    {
        // SAFETY: the seam's contract: never at the same time as Submit or Dispose. A completion may run at the same time; libusb locks the transfer.
        NativeTransfer* native = _native;
        if (native is null || !_posted)
        {
            return new BackendResult(BackendStatus.NotFound, LibUsbCode.NotFound);
        }

        if (!_access.TryEnter(out _))
        {
            return new BackendResult(BackendStatus.HandleClosed);
        }

        try
        {
            // libusb_close takes a transfer in flight off its list and clears this field; libusb_cancel_transfer would dereference it.
            return Volatile.Read(ref native->DevHandle) == 0
                ? new BackendResult(BackendStatus.HandleClosed)
                : LibUsbCode.ToResult(_libusb.CancelTransfer(native));
        }
        finally
        {
            _access.Exit();
        }
    }

    public void Dispose()
    {
        if (_native is null)
        {
            return;
        }

        if (_posted)
        {
            // Freeing it would hand the kernel's target to somebody else. It stays rooted by its GCHandle, for good.
            Debug.Fail("A posted transfer must not be disposed of.");
            return;
        }

        // libusb_free_transfer drops a reference on the device, which reaches into the context. Of a handle that its owner closed the context may be
        // gone as well, and nothing tells: such a transfer is left allocated.
        if (_access.TryEnter(out _))
        {
            _libusb.FreeTransfer(_native);
            _access.Exit();
        }

        _native = null;
        _self.Dispose();
    }

    [UnmanagedCallersOnly]
    private static void OnCompleted(NativeTransfer* native)
    {
#pragma warning disable CA1031 // An exception that crosses into C ends the process; nothing below is meant to throw.
        try
        {
            // SAFETY: the GCHandle in user_data is freed by Dispose only, which a posted transfer does not reach.
            GCHandle<LibUsbTransfer>.FromIntPtr(native->UserData).Target.Completed(native);
        }
        catch (Exception exception)
        {
            Debug.Fail("A completion threw.", exception.ToString());
        }
#pragma warning restore CA1031
    }

    private void Completed(NativeTransfer* native)
    {
        int status = native->Status;
        int length = Math.Clamp(native->ActualLength, 0, native->Length);
        ITransferCompletion completion = _completion;
        _buffer = null;
        _access.TransferEnded();

        // The volatile write publishes the two above; after Complete the transfer may already be submitted again or freed by another thread.
        _posted = false;
        completion.Complete(LibUsbCode.ToTransferStatus(status), length, status);
    }
}
