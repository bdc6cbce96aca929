using System.Diagnostics;
using System.Net.Sockets;

namespace BulkIn.VirtualUsb;

/// <summary>
/// A USB device made of code: it speaks USB/IP with this machine's own kernel over a socket pair, so every program sees it as a device on a real bus,
/// while its <see cref="UsbFunction"/> decides each URB's status, length, data, time and order of completion.
/// </summary>
/// <remarks>
/// <para>Linux with the module <c>vhci-hcd</c>, as root; no network is involved. Bulk, interrupt and control endpoints; no isochronous ones.</para>
/// <para>One thread of the device reads what the host does and calls the function. Every member here may be called from any thread. Disposing unplugs.</para>
/// </remarks>
public sealed class VirtualUsbDevice : IDisposable
{
    private static readonly TimeSpan HostTime = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(5);

    private readonly UsbFunction _function;
    private readonly StandardRequests _standard;
    private readonly UsbIpConnection _connection;
    private readonly UrbTable _urbs;
    private readonly IHostPort _port;
    private readonly Thread _thread;
    private volatile Exception? _failure;

    private VirtualUsbDevice(DeviceDescription description, UsbFunction function, Func<Socket, IHostPort> attach)
    {
        Description = description;
        _function = function;
        _standard = new StandardRequests(description);
        function.Bind(this);
        (Socket ours, Socket theirs) = SocketPair.Create();
        _connection = new UsbIpConnection(ours);
        _urbs = new UrbTable(_connection);
        try
        {
            _port = attach(theirs);
        }
        catch
        {
            function.Release();
            _connection.Dispose();
            throw;
        }

        _thread = new Thread(Serve) { IsBackground = true, Name = "virtual USB device" };
        _thread.Start();
    }

    /// <summary>What the device says it is.</summary>
    public DeviceDescription Description { get; }

    /// <summary>The bus it was attached to.</summary>
    public int BusNumber { get; private set; }

    /// <summary>Its address on that bus.</summary>
    public int DeviceAddress { get; private set; }

    /// <summary>Its directory below <c>/sys/bus/usb/devices</c>.</summary>
    public string SysfsPath { get; private set; } = "";

    /// <summary>URBs the host has submitted and the device has not answered, control requests included.</summary>
    public int Pending => _urbs.Count;

    /// <summary>What the function threw, or null: a function that throws unplugs its device.</summary>
    public Exception? Failure => _failure;

    /// <summary>Plugs a device in and waits, for at most 30 s, until the kernel has configured it.</summary>
    /// <param name="description">What it says it is.</param>
    /// <param name="function">What it does. Its methods are called from now on, before this returns, too.</param>
    /// <exception cref="ArgumentException">No device can be as described; the message says why.</exception>
    /// <exception cref="InvalidOperationException">The function belongs to another device, or it threw.</exception>
    /// <exception cref="IOException">The kernel has no virtual host controller or no free port, or the user may not use it.</exception>
    /// <exception cref="TimeoutException">The kernel did not like the device; its log says why.</exception>
    public static VirtualUsbDevice Plug(DeviceDescription description, UsbFunction function)
    {
        ArgumentNullException.ThrowIfNull(description);
        return Plug(description, function, socket => VhciPort.Attach(socket, description.Speed));
    }

    /// <summary>The same with another host than the kernel, which gets the other end of the socket.</summary>
    internal static VirtualUsbDevice Plug(DeviceDescription description, UsbFunction function, Func<Socket, IHostPort> attach)
    {
        ArgumentNullException.ThrowIfNull(description);
        ArgumentNullException.ThrowIfNull(function);
        description.Validate();
        var device = new VirtualUsbDevice(description, function, attach);
        try
        {
            device.AwaitConfiguration();
            return device;
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <summary>Halts an endpoint: what is posted and what follows is stalled until the host clears the halt.</summary>
    /// <param name="endpoint">The endpoint's address.</param>
    public void Halt(byte endpoint)
    {
        _standard.Halt(endpoint);
        StallPosted(endpoint);
    }

    /// <summary>True while an endpoint is halted.</summary>
    /// <param name="endpoint">The endpoint's address.</param>
    public bool IsHalted(byte endpoint) => _standard.IsHalted(endpoint);

    /// <summary>The URBs of an endpoint that were not answered yet, oldest first.</summary>
    /// <param name="endpoint">The endpoint's address.</param>
    public IReadOnlyList<Urb> PendingOn(byte endpoint) => _urbs.On(endpoint);

    /// <summary>Answers a control request as chapter 9 says: for a <see cref="UsbFunction.Control"/> that kept one back.</summary>
    /// <param name="urb">A request of the control endpoint.</param>
    public void AnswerStandard(Urb urb)
    {
        ArgumentNullException.ThrowIfNull(urb);
        byte[]? reply = _standard.Answer(urb.Setup);
        urb.Complete(reply ?? [], reply is null ? UrbStatus.Stall : UrbStatus.Success);
        if (reply is not null && urb.Setup.IsSetHalt)
        {
            StallPosted((byte)urb.Setup.Index);
        }
    }

    /// <summary>Pulls the plug and returns at once; the kernel notices a moment later. Idempotent, and the function's own methods may call it.</summary>
    public void Unplug() => _urbs.HangUp();

    /// <summary>
    /// Unplugs, and waits, for at most 30 s, until the kernel has taken the device away and its port can be used again. Idempotent. Called by the function's
    /// own methods it does not wait.
    /// </summary>
    public void Dispose()
    {
        Unplug();
        if (Thread.CurrentThread != _thread)
        {
            _thread.Join();
            _connection.Dispose();
            WaitUntil(() => _port.IsFree);
        }
    }

    private void StallPosted(byte endpoint)
    {
        foreach (Urb urb in PendingOn(endpoint))
        {
            urb.Complete(UrbStatus.Stall);
        }
    }

#pragma warning disable CA1031 // Whatever the function throws ends the device, visibly: there is nobody above this thread.
    private void Serve()
    {
        try
        {
            while (_connection.TryReceive(out UsbIpHeader command, out byte[] data))
            {
                if (command.Command == UsbIpCommand.Submit)
                {
                    Submit(command, data);
                }
                else if (_urbs.Unlink(command) is { } urb)
                {
                    _function.Unlinking(urb);
                }
                else
                {
                    _function.UnlinkedTooLate(command.UnlinkSequence);
                }
            }
        }
        catch (Exception exception)
        {
            _failure = exception;
        }

        Unplug();
        try
        {
            _function.Unplugged();
        }
        catch (Exception exception)
        {
            _failure ??= exception;
        }
    }
#pragma warning restore CA1031

    private void Submit(in UsbIpHeader command, byte[] data)
    {
        var urb = new Urb(_urbs, command, data);
        _urbs.Add(urb);
        if ((urb.Endpoint & 0x0f) == 0)
        {
            if (!_function.Control(urb))
            {
                AnswerStandard(urb);
            }
        }
        else if (_standard.IsHalted(urb.Endpoint))
        {
            urb.Complete(UrbStatus.Stall);
        }
        else
        {
            _function.Submitted(urb);
        }
    }

    private void AwaitConfiguration()
    {
        string? directory = null;
        WaitUntil(() => (directory = _port.FindDevice()) is not null || _failure is not null);
        if (_failure is { } failure)
        {
            throw new InvalidOperationException($"The function threw while the kernel configured its device: {failure.Message}", failure);
        }

        SysfsPath = directory ?? throw new TimeoutException(
            $"The kernel did not configure the virtual device {Description.VendorId:x4}:{Description.ProductId:x4} within {HostTime.TotalSeconds:0} s; its log says why.");
        BusNumber = VhciPort.ReadNumber($"{directory}/busnum");
        DeviceAddress = VhciPort.ReadNumber($"{directory}/devnum");
    }

    // sysfs tells nobody about a port's state, so it is looked at again and again, within a bound.
    private static void WaitUntil(Func<bool> condition)
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition() && Stopwatch.GetElapsedTime(start) < HostTime)
        {
            Thread.Sleep(PollInterval);
        }
    }
}
