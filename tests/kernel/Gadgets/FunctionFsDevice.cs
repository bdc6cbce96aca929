using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace BulkIn.Gadgets;

/// <summary>A USB device whose endpoints are files: this program is the device side (FunctionFS). It can go away and come back.</summary>
/// <remarks>
/// Vendor requests with IN direction are answered with as many bytes as asked for, counting up from the request's value; OUT ones are taken. Root only.
/// </remarks>
public sealed class FunctionFsDevice : IDisposable
{
    /// <summary>The ids of every gadget here: the Linux Foundation's "multifunction composite gadget".</summary>
    public const ushort VendorId = 0x1d6b;

    /// <summary>See <see cref="VendorId"/>.</summary>
    public const ushort ProductId = 0x0104;

    private const int EventSize = 12;
    private const int IdentifierRemoved = 43;
    private static int s_created;

    private readonly ConfigFsGadget _gadget;
    private readonly string _mount;
    private readonly SafeFileHandle? _control;
    private readonly string _controller;
#pragma warning disable CA2213 // A task may still be waiting for it when the device is disposed of; it holds nothing of the system's.
    private readonly ManualResetEventSlim _enabled = new();
#pragma warning restore CA2213
    private readonly SafeFileHandle _stop = SystemCalls.CreateEvent();
    private readonly Thread _events;
    private bool _disposed;

    // enum usb_functionfs_event_type
    private enum EventKind
    {
        Bind,
        Unbind,
        Enable,
        Disable,
        Setup,
        Suspend,
        Resume,
    }

    /// <summary>Creates the device and plugs it in.</summary>
    /// <param name="endpoints">Its endpoints.</param>
    public FunctionFsDevice(params IReadOnlyList<GadgetEndpoint> endpoints)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        Endpoints = endpoints;
        SerialNumber = $"ffs-{Environment.ProcessId}-{Interlocked.Increment(ref s_created)}";
        _mount = Path.Combine(Path.GetTempPath(), SerialNumber);
        _controller = DeviceController.FirstFree();
        _gadget = new ConfigFsGadget(SerialNumber, $"ffs.{SerialNumber}", VendorId, ProductId);
        _events = new Thread(HandleEvents) { IsBackground = true, Name = "FunctionFS events" };
        try
        {
            Directory.CreateDirectory(_mount);
            SystemCalls.Mount(SerialNumber, _mount, "functionfs");
            _control = SystemCalls.Open($"{_mount}/ep0");
            SystemCalls.Write(_control, FunctionFsDescriptors.Descriptors(endpoints), "write the descriptors");
            SystemCalls.Write(_control, FunctionFsDescriptors.Strings("bench"), "write the strings");
            for (int index = 0; index < endpoints.Count; index++)
            {
                endpoints[index].Open($"{_mount}/ep{index + 1}");
            }

            _gadget.AddFunction();
            _events.Start();
            _gadget.Bind(_controller);
        }
        catch
        {
            Remove();
            throw;
        }
    }

    /// <summary>Its endpoints.</summary>
    public IReadOnlyList<GadgetEndpoint> Endpoints { get; }

    /// <summary>Its serial number, by which the host tells it from others.</summary>
    public string SerialNumber { get; }

    /// <summary>True while the host has configured it.</summary>
    public bool IsEnabled => _enabled.IsSet;

    /// <summary>True once it is being disposed of: it will not be enabled again.</summary>
    public bool IsDisposed => Volatile.Read(ref _disposed);

    /// <summary>Unplugs it. Reads and writes that wait end with <see cref="GadgetException.IsDisabled"/>.</summary>
    public void Unbind() => _gadget.Unbind();

    /// <summary>Plugs it in again.</summary>
    public void Bind() => _gadget.Bind(_controller);

    /// <summary>Waits until the host has configured it.</summary>
    /// <param name="timeout">How long at most.</param>
    /// <returns>False when it has not.</returns>
    public bool WaitUntilEnabled(TimeSpan timeout) => _enabled.Wait(timeout) && !IsDisposed;

    /// <summary>Unplugs and removes it.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, true))
        {
            return;
        }

        try
        {
            _gadget.Unbind();
        }
        finally
        {
            Remove();
        }
    }

    // What there is of it: the constructor may have failed anywhere.
    private void Remove()
    {
        if (_events.IsAlive)
        {
            Span<byte> one = [1, 0, 0, 0, 0, 0, 0, 0];
            SystemCalls.Write(_stop, one, "stop the events");
            _events.Join();
        }

        // Whoever waits for the device to come back is let go; IsDisposed tells why.
        _enabled.Set();
        foreach (GadgetEndpoint endpoint in Endpoints)
        {
            endpoint.Dispose();
        }

        _control?.Dispose();
        _gadget.Dispose();
        SystemCalls.Unmount(_mount);
        if (Directory.Exists(_mount))
        {
            Directory.Delete(_mount);
        }

        _stop.Dispose();
    }

    // Open before the thread of events, which is the one that uses it.
    private SafeFileHandle Control => _control ?? throw new InvalidOperationException("The device has no control endpoint yet.");

    private void HandleEvents()
    {
        Span<byte> happened = stackalloc byte[EventSize];
        while (SystemCalls.WaitForFirst(Control, _stop))
        {
            try
            {
                if (SystemCalls.Read(Control, happened, "read an event") == EventSize)
                {
                    Handle((EventKind)happened[8], happened[..8]);
                }
            }
            catch (GadgetException exception) when (exception.IsDisabled || exception.Error is GadgetException.Interrupted or IdentifierRemoved)
            {
                // The host changed its mind about a request, or the gadget is being unbound: the next event tells.
            }
        }
    }

    private void Handle(EventKind kind, ReadOnlySpan<byte> setup)
    {
        switch (kind)
        {
            case EventKind.Enable:
                _enabled.Set();
                break;
            case EventKind.Disable or EventKind.Unbind:
                _enabled.Reset();
                break;
            case EventKind.Setup:
                Answer(setup);
                break;
            default:
                break;
        }
    }

    private void Answer(ReadOnlySpan<byte> setup)
    {
        byte[] data = new byte[BinaryPrimitives.ReadUInt16LittleEndian(setup[6..])];
        bool isIn = (setup[0] & 0x80) != 0;
        if (isIn)
        {
            byte value = setup[2];
            for (int index = 0; index < data.Length; index++)
            {
                data[index] = (byte)(value + index);
            }

            _ = SystemCalls.Write(Control, data, "answer a request");
        }
        else
        {
            // Reading, even nothing, is what acknowledges a request without data.
            _ = SystemCalls.Read(Control, data, "take a request");
        }
    }
}
