using System.Net.Sockets;

namespace BulkIn.VirtualUsb;

/// <summary>The device's end of the socket to the kernel: whole messages in, whole messages out.</summary>
/// <remarks>
/// One thread reads; whoever writes holds the lock of the <see cref="UrbTable"/>, so messages are never mixed. A broken or closed socket is an unplugged
/// device, which is no error of the one who reads or writes: they are told false.
/// </remarks>
internal sealed class UsbIpConnection(Socket socket) : IDisposable
{
    private readonly byte[] _reply = new byte[UsbIpHeader.Size];

    /// <summary>Waits for the kernel's next command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="data">What an OUT transfer carries, else empty.</param>
    /// <returns>False when there will be none: the device is unplugged.</returns>
    /// <exception cref="InvalidDataException">What came is no command.</exception>
    public bool TryReceive(out UsbIpHeader command, out byte[] data)
    {
        Span<byte> header = stackalloc byte[UsbIpHeader.Size];
        command = default;
        data = [];
        if (!Receive(header))
        {
            return false;
        }

        command = UsbIpHeader.Read(header);
        data = command.HasData ? new byte[command.Length] : [];
        return Receive(data);
    }

    /// <summary>Answers a submitted URB.</summary>
    /// <param name="sequence">Its number.</param>
    /// <param name="status">0, or a negative Linux error number.</param>
    /// <param name="actualLength">Bytes transferred.</param>
    /// <param name="data">Those bytes, for IN; empty for OUT.</param>
    public bool Reply(uint sequence, int status, int actualLength, ReadOnlySpan<byte> data)
    {
        UsbIpHeader.WriteSubmitReply(_reply, sequence, status, actualLength);
        return Send(_reply) && Send(data);
    }

    /// <summary>Answers an unlink.</summary>
    /// <param name="sequence">The unlink command's own number.</param>
    /// <param name="status"><see cref="UrbStatus.Unlinked"/>, or 0 when the URB had been answered.</param>
    public bool ReplyToUnlink(uint sequence, int status)
    {
        UsbIpHeader.WriteUnlinkReply(_reply, sequence, status);
        return Send(_reply);
    }

    /// <summary>Ends the conversation: both sides' reads and writes end. Any thread, at any time.</summary>
    public void Shutdown()
    {
        try
        {
            // Closing alone would leave our own thread's read hanging.
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception exception) when (IsUnplugged(exception))
        {
            // The kernel's end is closed already, which ends the read as well.
        }
    }

    public void Dispose() => socket.Dispose();

    private static bool IsUnplugged(Exception exception) => exception is SocketException or ObjectDisposedException;

    private bool Send(ReadOnlySpan<byte> bytes)
    {
        try
        {
            while (!bytes.IsEmpty)
            {
                bytes = bytes[socket.Send(bytes)..];
            }

            return true;
        }
        catch (Exception exception) when (IsUnplugged(exception))
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
                int read = socket.Receive(bytes);
                if (read == 0)
                {
                    return false;
                }

                bytes = bytes[read..];
            }

            return true;
        }
        catch (Exception exception) when (IsUnplugged(exception))
        {
            return false;
        }
    }
}
