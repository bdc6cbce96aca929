using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace BulkIn.Bench;

/// <summary>
/// Somebody else who has a device open: a context, a handle and a thread that handles events, as LibUsbDotNet has them. The thread ends at the first error,
/// as its does. What an owner may do at the wrong moment is a method each.
/// </summary>
internal sealed unsafe class ForeignOwner : IDisposable
{
    private readonly nint _context;
    private readonly Thread _pump;
    private volatile bool _stop;
    private bool _exited;

    /// <summary>Opens a device, claims its interface 0, and starts to handle events.</summary>
    public ForeignOwner(SysfsDevice device)
    {
        _context = LibUsbCalls.Initialize();
        Handle = new DeviceHandle(LibUsbCalls.OpenAndClaim(_context, device));
        _pump = new Thread(Pump) { IsBackground = true, Name = "foreign events" };
        _pump.Start();
    }

    /// <summary>The <c>libusb_device_handle</c>.</summary>
    public SafeHandle Handle { get; }

    /// <summary>True while its thread handles events.</summary>
    public bool IsPumping => _pump.IsAlive;

    /// <summary>Closes the handle, as soon as nobody is in a call with it.</summary>
    public void Close() => Handle.Dispose();

    /// <summary>Ends the thread that handles events.</summary>
    public void StopPump()
    {
        _stop = true;
        if (IsPumping)
        {
            LibUsbCalls.InterruptEventHandler(_context);
            _pump.Join();
        }
    }

    /// <summary>Exits the context. A handle that is still open is never closed: there is nothing left that it could be closed in.</summary>
    public void Exit()
    {
        StopPump();
        if (!Handle.IsClosed)
        {
            LibUsbCalls.Exit(_context);
            Handle.SetHandleAsInvalid();
        }
        else if (!_exited)
        {
            LibUsbCalls.Exit(_context);
        }

        _exited = true;
    }

    /// <summary>What is right: the handle, then the thread, then the context.</summary>
    public void Dispose()
    {
        if (!_exited)
        {
            Close();
            Exit();
        }

        Handle.Dispose();
    }

    private void Pump()
    {
        while (!_stop && LibUsbCalls.HandleEvents(_context, null) >= 0)
        {
        }
    }

    private sealed class DeviceHandle : SafeHandleZeroOrMinusOneIsInvalid
    {
        public DeviceHandle(nint opened)
            : base(ownsHandle: true) => SetHandle(opened);

        protected override bool ReleaseHandle()
        {
            LibUsbCalls.Close(handle);
            return true;
        }
    }
}
