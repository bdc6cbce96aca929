using System.Buffers.Binary;
using BulkIn;

namespace DriverWithTest;

/// <summary>One measurement.</summary>
/// <param name="Microseconds">The meter's own clock.</param>
/// <param name="Microamperes">The current.</param>
public readonly record struct PowerSample(uint Microseconds, int Microamperes);

/// <summary>
/// A driver for a USB power meter that streams records of 8 bytes: time and current, little-endian. A transfer may hold many records, and a record may
/// span two transfers; after a fault the meter starts with a whole record again.
/// </summary>
/// <param name="queue">The meter's bulk IN endpoint; owned by the driver.</param>
public sealed class PowerMeter(BulkInQueue queue) : IAsyncDisposable
{
    private readonly byte[] _record = new byte[8];
    private int _held;

    /// <summary>How often the stream was interrupted and went on: samples are missing there.</summary>
    public int Gaps { get; private set; }

    /// <summary>Waits for the next sample.</summary>
    /// <param name="timeout">How long to wait for more bytes.</param>
    /// <param name="cancellationToken">Ends the wait; no byte is lost.</param>
    /// <returns>The sample; <see langword="null"/> when the meter sent too little in time.</returns>
    /// <exception cref="BulkInException">A fault that the queue does not recover from by itself, such as an unplug.</exception>
    public async Task<PowerSample?> ReadAsync(TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        while (_held < _record.Length)
        {
            try
            {
                BulkInResult result = await queue.RecvAsync(_record.AsMemory(_held), timeout, cancellationToken);
                if (!result.IsData)
                {
                    return null;
                }

                _held += result.Length;
            }
            catch (BulkInException fault) when (fault.RecoversByItself)
            {
                _held = 0;
                Gaps++;
            }
        }

        _held = 0;
        return new PowerSample(BinaryPrimitives.ReadUInt32LittleEndian(_record), BinaryPrimitives.ReadInt32LittleEndian(_record.AsSpan(4)));
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => queue.DisposeAsync();
}
