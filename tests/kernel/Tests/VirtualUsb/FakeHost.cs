using System.Buffers.Binary;
using System.Net.Sockets;
using BulkIn.VirtualUsb;

namespace BulkIn.KernelBenchTests;

/// <summary>The kernel's side of the socket: submits and unlinks URBs, and reads what the device answers.</summary>
internal sealed class FakeHost : IHostPort, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private Socket _socket = null!;
    private uint _sequence;

    /// <summary>What a host says about the device; null is one that never configures it.</summary>
    public string? Directory { get; init; } = "/nowhere";

    /// <summary>What the host does as soon as the device is attached.</summary>
    public Action? OnAttached { get; set; }

    public bool IsFree => true;

    public string? FindDevice() => Directory;

    /// <summary>Plugs a device into this host.</summary>
    public VirtualUsbDevice Plug(UsbFunction function, DeviceDescription? description = null) => VirtualUsbDevice.Plug(description ?? Dock, function, Attach);

    /// <summary>Plugs a device that runs a script into this host.</summary>
    public ScriptedFunction Plug(string script, TimeProvider? time = null)
    {
        UsbScript parsed = UsbScript.Parse($"device 17e9:6006\nendpoint 0x02\nendpoint 0x84\n{script}");
        var function = new ScriptedFunction(parsed, time ?? TimeProvider.System);
        Plug(function, parsed.Description);
        return function;
    }

    /// <summary>A dock: bulk OUT 0x02, bulk IN 0x84.</summary>
    public static DeviceDescription Dock { get; } = new()
    {
        VendorId = 0x17e9,
        ProductId = 0x6006,
        Interfaces = [new InterfaceDescription(0, [new EndpointDescription(0x02), new EndpointDescription(0x84)])],
    };

    /// <summary>Submits a bulk URB.</summary>
    /// <returns>Its number.</returns>
    public uint Submit(byte endpoint, int length, params byte[] data) => Submit(endpoint, length, default, data);

    /// <summary>Asks for a control transfer without a data stage from the host.</summary>
    /// <returns>Its number.</returns>
    public uint Ask(SetupPacket setup) => Submit((byte)(setup.RequestType & 0x80), setup.Length, setup, []);

    /// <summary>Asks for a URB back.</summary>
    /// <returns>The number of the request.</returns>
    public uint Unlink(uint urb)
    {
        byte[] header = Header(2, endpoint: 0);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(20), urb);
        Send(header);
        return _sequence;
    }

    /// <summary>Sends bytes that are no command.</summary>
    public void SendGarbage() => Send(new byte[UsbIpHeader.Size]);

    /// <summary>Waits for the device's next answer.</summary>
    /// <param name="withData">True for the answer to an IN transfer.</param>
    public Reply Read(bool withData = true) => Read(begun: [], withData);

    /// <summary>The same, when the first bytes were received already.</summary>
    public Reply Read(byte[] begun, bool withData = true)
    {
        byte[] header = [.. begun, .. Receive(UsbIpHeader.Size - begun.Length)];
        bool submit = BinaryPrimitives.ReadUInt32BigEndian(header) == 3;
        int length = BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(24));
        return new Reply(
            submit,
            BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(4)),
            BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(20)),
            length,
            submit && withData ? Receive(length) : []);
    }

    /// <summary>True when the device has hung up, having answered nothing more.</summary>
    public bool ReadsTheEnd() => _socket.Receive(new byte[1]) == 0;

    public void Dispose() => _socket?.Dispose();

    private FakeHost Attach(Socket socket)
    {
        _socket = socket;
        _socket.ReceiveTimeout = (int)Patience.TotalMilliseconds;
        OnAttached?.Invoke();
        return this;
    }

    private uint Submit(byte endpoint, int length, SetupPacket setup, byte[] data)
    {
        byte[] header = Header(1, endpoint);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(24), length);
        header[40] = setup.RequestType;
        header[41] = setup.Request;
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(42), setup.Value);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(44), setup.Index);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(46), setup.Length);
        Send([.. header, .. data]);
        return _sequence;
    }

    private byte[] Header(uint command, byte endpoint)
    {
        byte[] header = new byte[UsbIpHeader.Size];
        BinaryPrimitives.WriteUInt32BigEndian(header, command);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(4), ++_sequence);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(12), (endpoint & 0x80) != 0 ? 1u : 0u);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(16), endpoint & 0x0fu);
        return header;
    }

    private void Send(byte[] bytes) => Assert(_socket.Send(bytes) == bytes.Length);

    /// <summary>Waits for bytes of an answer.</summary>
    public byte[] Receive(int length)
    {
        byte[] bytes = new byte[length];
        for (int filled = 0; filled < length;)
        {
            int read = _socket.Receive(bytes.AsSpan(filled));
            Assert(read > 0);
            filled += read;
        }

        return bytes;
    }

    private static void Assert(bool condition) => Xunit.Assert.True(condition, "The device hung up.");

    /// <summary>An answer of the device.</summary>
    /// <param name="IsSubmit">True for a URB's answer, false for an unlink's.</param>
    /// <param name="Sequence">The number of what it answers.</param>
    /// <param name="Status">0 or a negative Linux error number.</param>
    /// <param name="Length">Bytes transferred.</param>
    /// <param name="Data">Those of an IN transfer.</param>
    internal sealed record Reply(bool IsSubmit, uint Sequence, int Status, int Length, byte[] Data);
}
