using System.Buffers;
using System.Diagnostics;
using System.Runtime.InteropServices;
using BulkIn.Backends;

namespace BulkIn.LibUsb;

/// <summary>How a one-shot transfer ended.</summary>
internal readonly record struct LibUsbRequestOutcome(TransferStatus Status, int Transferred, int NativeStatus);

/// <summary>One transfer that is used once: a control request or an OUT transfer.</summary>
/// <remarks>
/// <code>
/// Created --TrySubmit: success--> Posted --OnCompleted--> Completed --Dispose--> Freed
/// Created --TrySubmit: failure--> Created --Dispose--> Freed
/// </code>
/// <para>While posted it is rooted by a GCHandle, keeps its memory pinned and holds an access of its own to the handle. Whoever created it disposes
/// of it after <see cref="Completion"/>; a request that is given up is handed to <see cref="DisposeWhenCompleted"/>, and one whose completion never
/// comes stays allocated for good.</para>
/// </remarks>
internal sealed unsafe class LibUsbRequest : IDisposable
{
    private readonly TaskCompletionSource<LibUsbRequestOutcome> _completed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    // Keeps Dispose from freeing the transfer under a cancel. The completion callback never takes it.
    private readonly Lock _gate = new();
    private readonly IDeviceAccess _access;
    private MemoryHandle _memory;
    private NativeTransfer* _native;
    private GCHandle<LibUsbRequest> _self;
    private volatile bool _posted;

    /// <summary>Prepares the transfer.</summary>
    /// <param name="device">The handle; the request takes an access of its own.</param>
    /// <param name="endpoint">Endpoint address; 0 for control.</param>
    /// <param name="type">Control, bulk or interrupt.</param>
    /// <param name="data">The bytes to send, or for control the 8 bytes of setup with the data stage behind. Pinned until <see cref="Dispose"/>.</param>
    /// <param name="timeoutMilliseconds">libusb's own timeout, from the submit on; 0 for none.</param>
    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    /// <exception cref="InsufficientMemoryException">libusb has no memory for it.</exception>
    public LibUsbRequest(IDeviceAccess device, byte endpoint, EndpointTransferType type, ReadOnlyMemory<byte> data, uint timeoutMilliseconds)
    {
        _access = device.Share();
        try
        {
            _native = _access.LibUsb.AllocTransfer();
            if (_native is null)
            {
#pragma warning disable MA0012 // The seam's contract names it; no memory is what libusb ran out of.
                throw new InsufficientMemoryException("libusb could not allocate a transfer.");
#pragma warning restore MA0012
            }

            _memory = data.Pin();
            _native->Endpoint = endpoint;
            _native->Type = (byte)type;
            _native->Timeout = timeoutMilliseconds;
            _native->Buffer = (byte*)_memory.Pointer;
            _native->Length = data.Length;
            _native->Callback = &OnCompleted;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Done by the completion callback; its continuations run elsewhere.</summary>
    public Task<LibUsbRequestOutcome> Completion => _completed.Task;

    /// <summary>Submits it, once.</summary>
    public BackendResult Submit()
    {
        Debug.Assert(!_posted && !Completion.IsCompleted, "A request is submitted once.");
        if (!_access.TryEnter(out nint handle))
        {
            return new BackendResult(BackendStatus.HandleClosed);
        }

        _self = new GCHandle<LibUsbRequest>(this);
        _native->DevHandle = handle;
        _native->UserData = GCHandle<LibUsbRequest>.ToIntPtr(_self);
        _posted = true;
        _access.TransferStarting();

        // SAFETY: the handle is open until Exit; memory and this object are kept until the completion (see the class remarks).
        int code = _access.LibUsb.SubmitTransfer(_native);
        BackendResult result = default;
        if (code != LibUsbCode.Success)
        {
            result = LibUsbCode.ToResult(code, Marshal.GetLastSystemError());
            _access.TransferEnded();
            _posted = false;
            _self.Dispose();
        }

        _access.Exit();
        return result;
    }

    /// <summary>Asks for an early completion, on a pool thread, because a Linux cancel blocks. Harmless at any time, also after the disposal.</summary>
    public void RequestCancel() => _ = ThreadPool.UnsafeQueueUserWorkItem(static request => request.Cancel(), this, preferLocal: false);

    /// <summary>Hands the request over to its own completion.</summary>
    public void DisposeWhenCompleted() =>
        _ = Completion.ContinueWith(static (_, state) => ((LibUsbRequest)state!).Dispose(), this, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);

    /// <summary>Frees the transfer, unpins the memory and drops the access, in this order. Not while posted.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_posted)
            {
                Debug.Fail("A posted request must not be disposed of.");
                return;
            }

            // As in LibUsbTransfer.Dispose: not after the owner of a foreign handle closed it.
            if (_native is not null && _access.TryEnter(out _))
            {
                _access.LibUsb.FreeTransfer(_native);
                _access.Exit();
            }

            _native = null;
            _memory.Dispose();
        }

        _access.Dispose();
    }

    private void Cancel()
    {
        // The lock keeps Dispose from freeing the transfer under the call. The completion callback does not take it, so a cancel that waits for the
        // callback cannot wait for ever.
        lock (_gate)
        {
            if (_native is null || !_posted || !_access.TryEnter(out _))
            {
                return;
            }

            // Cleared by libusb_close, see LibUsbTransfer.Cancel. The answer says nothing that the completion does not.
            if (Volatile.Read(ref _native->DevHandle) != 0)
            {
                _ = _access.LibUsb.CancelTransfer(_native);
            }

            _access.Exit();
        }
    }

    [UnmanagedCallersOnly]
    private static void OnCompleted(NativeTransfer* native)
    {
#pragma warning disable CA1031 // An exception that crosses into C ends the process; nothing below is meant to throw.
        try
        {
            // SAFETY: user_data holds the handle made by Submit, freed here and nowhere else once the submit succeeded.
            GCHandle<LibUsbRequest> self = GCHandle<LibUsbRequest>.FromIntPtr(native->UserData);
            LibUsbRequest request = self.Target;
            var outcome = new LibUsbRequestOutcome(LibUsbCode.ToTransferStatus(native->Status), Math.Clamp(native->ActualLength, 0, native->Length), native->Status);
            self.Dispose();
            request._access.TransferEnded();
            request._posted = false;
            _ = request._completed.TrySetResult(outcome);
        }
        catch (Exception exception)
        {
            Debug.Fail("A completion threw.", exception.ToString());
        }
#pragma warning restore CA1031
    }
}
