using System.Diagnostics;
using System.Net.Sockets;

namespace BulkIn.VirtualUsb;

/// <summary>
/// A USB device made of code: it speaks USB/IP with this machine's own kernel over a socket pair, so every program sees it as a device on a real bus,
/// while its <see cref="UsbFunction"/> decides each URB's status, length, data, time and order of completion.
/// </summary>
/// <remarks>
/// Linux with the module <c>vhci-hcd</c>, as root; no network is involved. One thread reads the kernel's commands and calls the function.
/// Disposing unplugs.
/// </remarks>
public sealed class VirtualUsbDevice : IDisposable
{
    private static readonly TimeSpan EnumerationTime = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(5);
    private static uint s_lastDeviceId;

    private readonly UsbFunction _function;
    private readonly StandardRequests _standard;
    private readonly Socket _socket;
    private readonly VhciPort _port;
    private readonly Thread _thread;

    // Guards _pending and every Urb's unlink number. Held briefly; never around the socket or the function.
    private readonly Lock _gate = new();
    private readonly Dictionary<uint, Urb> _pending = [];

    // Guards the socket's outgoing side and keeps a header and its data together, against an unplug, too.
    private readonly Lock _sending = new();
    private readonly byte[] _header = new byte[UsbIpHeader.Size];
    private volatile bool _unplugged;

    private VirtualUsbDevice(DeviceDescription description, UsbFunction function)
    {
        Description = description;
        _function = function;
        _standard = new StandardRequests(description);
        (_socket, Socket theirs) = SocketPair.Create();
        using (theirs)
        {
            try
            {
                _port = VhciPort.Attach(theirs, description.Speed, Interlocked.Increment(ref s_lastDeviceId));
            }
            catch
            {
                _socket.Dispose();
                throw;
            }
        }

        _thread = new Thread(ReadCommands) { IsBackground = true, Name = "virtual USB device" };
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
    public int Pending
    {
        get
        {
            lock (_gate)
            {
                return _pending.Count;
            }
        }
    }

    /// <summary>The exception that ended the device's thread, or null: a function that throws unplugs its device.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>Plugs a device in and waits until the kernel has configured it.</summary>
    /// <param name="description">What it says it is.</param>
    /// <param name="function">What it does.</param>
    /// <exception cref="IOException">The kernel has no virtual host controller or no free port.</exception>
    /// <exception cref="TimeoutException">The kernel did not like the descriptors; its log says why.</exception>
    public static VirtualUsbDevice Plug(DeviceDescription description, UsbFunction function)
    {
        ArgumentNullException.ThrowIfNull(description);
        ArgumentNullException.ThrowIfNull(function);
        var device = new VirtualUsbDevice(description, function);
        try
        {
            device.AwaitEnumeration();
            return device;
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <summary>Halts an endpoint: what is posted and what follows is stalled until the host clears the halt. Any thread.</summary>
    /// <param name="endpoint">The endpoint's address.</param>
    public void Halt(byte endpoint)
    {
        _standard.SetHalted(endpoint, halted: true);
        foreach (Urb urb in PendingOn(endpoint))
        {
            urb.Complete(UrbStatus.Stall);
        }
    }

    /// <summary>True while an endpoint is halted.</summary>
    /// <param name="endpoint">The endpoint's address.</param>
    public bool IsHalted(byte endpoint) => _standard.IsHalted(endpoint);

    /// <summary>The URBs of an endpoint that were not answered yet, oldest first. Any thread.</summary>
    /// <param name="endpoint">The endpoint's address.</param>
    public IReadOnlyList<Urb> PendingOn(byte endpoint)
    {
        lock (_gate)
        {
            return [.. _pending.Values.Where(urb => urb.Endpoint == endpoint).OrderBy(urb => urb.SequenceNumber)];
        }
    }

    /// <summary>Answers a control request as chapter 9 says: for a <see cref="UsbFunction.Control"/> that kept one back. Any thread; the host asks one
    /// thing at a time, so while a request is kept back no other is being answered.</summary>
    /// <param name="urb">A request of the control endpoint.</param>
    public void AnswerStandard(Urb urb)
    {
        ArgumentNullException.ThrowIfNull(urb);
        _standard.Answer(urb);
    }

    /// <summary>Unplugs the device and waits until the kernel has noticed. Idempotent; not from the function's own methods.</summary>
    public void Dispose()
    {
        lock (_sending)
        {
            // Never between an answer's header and its data: the kernel would hand out the length of the one without the bytes of the other.
            if (!_unplugged)
            {
                _unplugged = true;
                try
                {
                    // Ends our thread's read and tells the kernel; closing alone would leave that read hanging.
                    _socket.Shutdown(SocketShutdown.Both);
                }
                catch (SocketException)
                {
                    // The kernel's end is closed already, which ends the read as well.
                }
            }
        }

        _thread.Join();
        _socket.Dispose();
        WaitUntil(() => _port.IsFree);
    }

    /// <summary>Sends the answer to a URB, unless it has one.</summary>
    internal bool Answer(Urb urb, ReadOnlySpan<byte> data, int actualLength, int status)
    {
        uint unlink;
        lock (_gate)
        {
            if (!_pending.Remove(urb.SequenceNumber))
            {
                return false;
            }

            unlink = urb.UnlinkSequence;
        }

        lock (_sending)
        {
            UsbIpHeader.WriteSubmitReply(_header, urb.SequenceNumber, status, actualLength);
            bool sent = Send(_header) && (data.IsEmpty || !urb.IsIn || Send(data));
            if (sent && unlink != 0)
            {
                // Status 0: the URB had been answered, as the reply above has just done.
                UsbIpHeader.WriteUnlinkReply(_header, unlink, status: 0);
                sent = Send(_header);
            }

            return sent;
        }
    }

    /// <summary>Gives a URB back as unlinked, unless it was answered.</summary>
    internal bool ConfirmUnlink(Urb urb)
    {
        uint unlink;
        lock (_gate)
        {
            unlink = urb.UnlinkSequence;
            if (unlink == 0 || !_pending.Remove(urb.SequenceNumber))
            {
                return false;
            }
        }

        return SendUnlinkReply(unlink, UrbStatus.Unlinked);
    }

    private bool SendUnlinkReply(uint sequence, int status)
    {
        lock (_sending)
        {
            UsbIpHeader.WriteUnlinkReply(_header, sequence, status);
            return Send(_header);
        }
    }

    // Under _sending. A broken socket is an unplugged device, which is no error of the one who answers.
    private bool Send(ReadOnlySpan<byte> bytes)
    {
        if (_unplugged)
        {
            return false;
        }

        try
        {
            while (!bytes.IsEmpty)
            {
                bytes = bytes[_socket.Send(bytes)..];
            }

            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private bool Receive(Span<byte> bytes)
    {
        try
        {
            while (!bytes.IsEmpty)
            {
                int read = _socket.Receive(bytes);
                if (read == 0)
                {
                    return false;
                }

                bytes = bytes[read..];
            }

            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

#pragma warning disable CA1031 // Whatever the function throws ends the device, visibly: there is nobody above this thread.
    private void ReadCommands()
    {
        try
        {
            Span<byte> header = stackalloc byte[UsbIpHeader.Size];
            while (Receive(header))
            {
                UsbIpHeader command = UsbIpHeader.Read(header);
                byte[] data = command.HasData ? new byte[command.Length] : [];
                if (!Receive(data))
                {
                    break;
                }

                if (command.Command == UsbIpCommand.Submit)
                {
                    Submit(command, data);
                }
                else
                {
                    Unlink(command);
                }
            }

            _function.Unplugged();
        }
        catch (Exception exception)
        {
            Failure = exception;
            lock (_sending)
            {
                _unplugged = true;
                _socket.Close();
            }
        }
    }
#pragma warning restore CA1031

    private void Submit(in UsbIpHeader command, byte[] data)
    {
        var urb = new Urb(this, command, data);
        lock (_gate)
        {
            _pending.Add(urb.SequenceNumber, urb);
        }

        if ((urb.Endpoint & 0x0f) == 0)
        {
            if (!_function.Control(urb))
            {
                _standard.Answer(urb);
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

    private void Unlink(in UsbIpHeader command)
    {
        Urb? urb;
        lock (_gate)
        {
            if (_pending.TryGetValue(command.UnlinkSequence, out urb))
            {
                urb.UnlinkSequence = command.Sequence;
            }
        }

        if (urb is null)
        {
            // The answer and the unlink crossed.
            SendUnlinkReply(command.Sequence, status: 0);
        }
        else
        {
            _function.Unlinking(urb);
        }
    }

    private void AwaitEnumeration()
    {
        string? directory = null;
        if (!WaitUntil(() => (directory = _port.FindDevice()) is not null || Failure is not null) || directory is null)
        {
            throw new TimeoutException(
                $"The kernel did not configure the virtual device {Description.VendorId:x4}:{Description.ProductId:x4}; see dmesg.", Failure);
        }

        SysfsPath = directory;
        BusNumber = VhciPort.ReadNumber($"{directory}/busnum");
        DeviceAddress = VhciPort.ReadNumber($"{directory}/devnum");
    }

    // sysfs tells nobody about a port's state, so it is looked at again and again, within a bound.
    private static bool WaitUntil(Func<bool> condition)
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (Stopwatch.GetElapsedTime(start) > EnumerationTime)
            {
                return false;
            }

            Thread.Sleep(PollInterval);
        }

        return true;
    }
}
