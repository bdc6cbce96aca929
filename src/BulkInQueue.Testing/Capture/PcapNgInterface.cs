namespace BulkIn.Testing;

/// <summary>What an Interface Description Block says about the packets that name it.</summary>
internal sealed class PcapNgInterface(int linkType, uint snapLength)
{
    // Microseconds, unless if_tsresol says otherwise.
    private UInt128 _unitsPerSecond = 1_000_000;

    public int LinkType { get; } = linkType;

    /// <summary>0: no limit.</summary>
    public uint SnapLength { get; } = snapLength;

    /// <summary>if_tsoffset: added to every time of this interface.</summary>
    public long OffsetSeconds { get; set; }

    /// <summary>Takes if_tsresol: a power of ten, or of two when bit 7 is set.</summary>
    public void SetResolution(byte value, long start)
    {
        int exponent = value & 0x7F;
        bool binary = (value & 0x80) != 0;
        if (exponent > (binary ? 63 : 19))
        {
            throw new CaptureFormatException(start, $"A time resolution of {(binary ? 2 : 10)}^-{exponent} s does not fit into 64-bit times");
        }

        _unitsPerSecond = UInt128.One;
        for (int i = 0; i < exponent; i++)
        {
            _unitsPerSecond *= binary ? 2u : 10u;
        }
    }

    public DateTimeOffset ToTime(ulong units, long start)
    {
        Int128 ticks = (Int128)((UInt128)units * (UInt128)TimeSpan.TicksPerSecond / _unitsPerSecond) + ((Int128)OffsetSeconds * TimeSpan.TicksPerSecond);
        Int128 sinceYearOne = ticks + DateTimeOffset.UnixEpoch.Ticks;
        if (sinceYearOne < 0 || sinceYearOne > DateTimeOffset.MaxValue.Ticks)
        {
            throw new CaptureFormatException(start, "The time of the pcapng packet lies outside the years 1 to 9999");
        }

        return new DateTimeOffset((long)sinceYearOne, TimeSpan.Zero);
    }
}
