using System.Buffers;
using BulkIn.Backends;

namespace BulkIn.LibUsb;

/// <summary>A buffer of memory that the host controller writes into directly (libusb_dev_mem_alloc), one mapping for each.</summary>
/// <remarks>
/// The mapping keeps the kernel's file open, so it must go before the handle is closed: the buffer holds an access to the handle of its own. A buffer
/// that is never disposed of is never unmapped, which is what a transfer that never completes needs.
/// </remarks>
internal sealed unsafe class DeviceMemoryBuffer : TransferBuffer
{
    // No pattern of a byte repeats within a page or at its start, so swapped, shared and stale pages all show.
    private const int PatternPeriod = 251;

    private readonly IDeviceAccess _access;
    private readonly Mapping _mapping;

    private DeviceMemoryBuffer(IDeviceAccess access, byte* start, int length)
    {
        _access = access;
        _mapping = new Mapping(start, length);
        Memory = _mapping.Memory;
    }

    public override nint Address => _mapping.Address;

    public override Memory<byte> Memory { get; }

    /// <summary>Maps and checks a buffer; null, and why, when there is none to be had or it does not behave as memory.</summary>
    public static DeviceMemoryBuffer? TryAllocate(IDeviceAccess device, int length, out string reason)
    {
        IDeviceAccess access = device.Share();
        if (!access.TryEnter(out nint handle))
        {
            access.Dispose();
            reason = "the handle is closed";
            return null;
        }

        byte* start = access.LibUsb.DevMemAlloc(handle, (nuint)length);
        access.Exit();
        if (start is null)
        {
            access.Dispose();
            reason = "the platform grants none";
            return null;
        }

        var buffer = new DeviceMemoryBuffer(access, start, length);
        if (!IsSound(new Span<byte>(start, length)))
        {
            buffer.Dispose();
            reason = "the self-check failed";
            return null;
        }

        reason = "";
        return buffer;
    }

    /// <summary>
    /// A fresh mapping reads zero and a pattern reads back. Older kernels mapped pages that were not the buffer's; those hold somebody else's bytes.
    /// </summary>
    internal static bool IsSound(Span<byte> memory)
    {
        if (memory.ContainsAnyExcept((byte)0))
        {
            return false;
        }

        for (int i = 0; i < memory.Length; i++)
        {
            memory[i] = (byte)(1 + (i % PatternPeriod));
        }

        for (int i = 0; i < memory.Length; i++)
        {
            if (memory[i] != (byte)(1 + (i % PatternPeriod)))
            {
                return false;
            }
        }

        memory.Clear();
        return true;
    }

    protected override void Dispose(bool disposing)
    {
        byte* start = _mapping.Detach();
        if (start is null)
        {
            return;
        }

        // A foreign handle may be closed by now; then nothing is left to unmap it through, and the mapping stays.
        if (_access.TryEnter(out nint handle))
        {
            _ = _access.LibUsb.DevMemFree(handle, start, (nuint)_mapping.Length);
            _access.Exit();
        }

        ((IDisposable)_mapping).Dispose();
        _access.Dispose();
    }

    /// <summary>The mapping as memory; it ends by <see cref="Detach"/>.</summary>
    private sealed class Mapping(byte* start, int length) : MemoryManager<byte>
    {
        private nint _start = (nint)start;

        public int Length => length;

        public nint Address
        {
            get
            {
                nint address = Volatile.Read(ref _start);
                ObjectDisposedException.ThrowIf(address == 0, this);
                return address;
            }
        }

        public byte* Detach() => (byte*)Interlocked.Exchange(ref _start, 0);

        // SAFETY: mapped until Detach, which the buffer's owner calls when nobody uses the bytes any more.
        public override Span<byte> GetSpan() => new((byte*)Address, length);

        public override MemoryHandle Pin(int elementIndex = 0)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)elementIndex, (uint)length, nameof(elementIndex));
            return new MemoryHandle((byte*)Address + elementIndex, pinnable: this);
        }

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
