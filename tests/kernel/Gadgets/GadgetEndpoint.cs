using Microsoft.Win32.SafeHandles;

namespace BulkIn.Gadgets;

/// <summary>An endpoint of a FunctionFS device: what the device's program reads from and writes to. One thread at a time.</summary>
public sealed class GadgetEndpoint : IDisposable
{
    private const uint ClearHaltRequest = 0x6703;

    private SafeFileHandle? _file;

    /// <summary>Describes an endpoint.</summary>
    /// <param name="name">Its name in scripts and messages.</param>
    /// <param name="isIn">True for device to host.</param>
    /// <param name="isInterrupt">True for interrupt, false for bulk.</param>
    public GadgetEndpoint(string name, bool isIn, bool isInterrupt = false)
    {
        Name = name;
        IsIn = isIn;
        IsInterrupt = isInterrupt;
    }

    /// <summary>Its name in scripts and messages.</summary>
    public string Name { get; }

    /// <summary>True for device to host.</summary>
    public bool IsIn { get; }

    /// <summary>True for interrupt, false for bulk.</summary>
    public bool IsInterrupt { get; }

    private SafeFileHandle File => _file ?? throw new InvalidOperationException($"The endpoint '{Name}' belongs to no device yet.");

    /// <summary>Sends one transfer and waits until the host has taken it. (Up to 64 bytes the emulated controller takes at once.)</summary>
    /// <param name="bytes">The transfer; none is a zero-length packet.</param>
    /// <returns>Bytes the host took.</returns>
    /// <exception cref="GadgetException">Among others: the endpoint was disabled meanwhile.</exception>
    public int Write(ReadOnlySpan<byte> bytes)
    {
        using var quiet = new SignalsBlocked();
        return SystemCalls.Write(File, bytes, $"write to '{Name}'");
    }

    /// <summary>Waits for one transfer of the host.</summary>
    /// <param name="bytes">Where it goes.</param>
    /// <returns>Its length.</returns>
    /// <exception cref="GadgetException">Among others: the endpoint was disabled meanwhile.</exception>
    public int Read(Span<byte> bytes)
    {
        using var quiet = new SignalsBlocked();
        return SystemCalls.Read(File, bytes, $"read from '{Name}'");
    }

    /// <summary>Halts the endpoint: the host sees a stall until it clears the halt.</summary>
    /// <returns>False when the endpoint still has something queued.</returns>
    public bool TryHalt()
    {
        try
        {
            // FunctionFS' way to say halt: an operation in the wrong direction. It fails with EBADMSG when it has worked.
            const int BadMessage = 74;
            Span<byte> nothing = stackalloc byte[1];
            try
            {
                _ = IsIn ? Read(nothing) : Write(nothing);
            }
            catch (GadgetException exception) when (exception.Error == BadMessage)
            {
                return true;
            }

            return false;
        }
        catch (GadgetException exception) when (exception.Error == GadgetException.TryAgain)
        {
            return false;
        }
    }

    /// <summary>Ends a halt from the device's side.</summary>
    public void ClearHalt() => _ = SystemCalls.Control(File, ClearHaltRequest, $"clear the halt of '{Name}'");

    /// <summary>Closes the endpoint's file.</summary>
    public void Dispose() => _file?.Dispose();

    internal void Open(string path) => _file = SystemCalls.Open(path);
}
