using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace ControlPlaneReader;

/// <summary>What is known about a transfer beyond its bytes.</summary>
/// <param name="Time">When it completed, since the start.</param>
/// <param name="EndOfMessage">True when it ended in a short or zero-length packet; false when it merely filled its buffer.</param>
/// <param name="Missing">Bytes that followed on the bus and were not recorded (snap length).</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct TransferFacts(TimeSpan Time, bool EndOfMessage, int Missing = 0);

/// <summary>Where frames go, and what is none. Spans are valid during the call only.</summary>
internal interface IFrameSink
{
    /// <summary>A whole frame. <paramref name="bytes"/> is shorter than the header's size where the capture's snap length cut it.</summary>
    void OnFrame(in FrameHeader header, ReadOnlySpan<byte> bytes, TimeSpan time);

    /// <summary>Bytes that are no frame, and why.</summary>
    void OnMalformed(ReadOnlySpan<byte> bytes, string reason, TimeSpan time);
}

/// <summary>Finds the frames in a stream of transfers, and accounts for every transfer and every byte.</summary>
/// <remarks>
/// <para>One transfer may hold several frames, and one frame may span several transfers. "The frame goes on in the next transfer" and "the frame
/// is malformed: it declares more than there is" look the same in the header, so the end of the transfer decides:</para>
/// <list type="bullet">
/// <item>A transfer that merely filled its buffer says nothing about the end of the message: an unfinished frame goes on in the next transfer.</item>
/// <item>A transfer that ended in a short or zero-length packet ended the device's message: a frame unfinished there is malformed. (A block of
/// 5.8 KB read into 4 KiB buffers is one full transfer and one short one; read into 16 KiB it is one short transfer.)</item>
/// <item>A malformed header in a transfer that happens to fill its buffer would swallow what follows. So a transfer that consists of whole valid
/// frames, to its last byte, is never a continuation: the unfinished frame before it is given up.</item>
/// <item>A frame begins with a known type (1, 2, 4) and declares at least its own header; 65539 bytes are the most it can declare. What is no
/// frame is reported, and the next frame is looked for at the start of the next transfer, never in the middle of one.</item>
/// <item>A fault of the endpoint is a gap: the frame before it cannot be continued.</item>
/// </list>
/// <para>After <see cref="End"/>: <c>Transfers = Framed + Malformed + Empty</c> and <c>Bytes = FrameBytes + MalformedBytes</c>.</para>
/// </remarks>
internal sealed class FrameAssembler(IFrameSink sink)
{
    // An unfinished frame: its bytes from the first on, over _open transfers that end in it.
    private readonly byte[] _pending = new byte[FrameHeader.MaximumSize];
    private int _pendingLength;

    // Bytes of it behind those: not recorded, or received after a part that was not (counted apart), which are not kept as they would stand at
    // the wrong place.
    private int _pendingGap;
    private int _pendingUnkept;
    private int _open;
    private TimeSpan _lastTime;

    private readonly SortedDictionary<(uint Type, ushort Subtype), long> _kinds = [];

    /// <summary>Transfers added.</summary>
    public long Transfers { get; private set; }

    /// <summary>Transfers all of whose bytes belong to frames.</summary>
    public long Framed { get; private set; }

    /// <summary>Transfers with bytes that belong to no frame.</summary>
    public long Malformed { get; private set; }

    /// <summary>Zero-length transfers.</summary>
    public long Empty { get; private set; }

    /// <summary>Bytes added.</summary>
    public long Bytes { get; private set; }

    /// <summary>Bytes that were transferred but not recorded.</summary>
    public long MissingBytes { get; private set; }

    /// <summary>Frames found.</summary>
    public long Frames { get; private set; }

    /// <summary>Bytes received of them.</summary>
    public long FrameBytes { get; private set; }

    /// <summary>Bytes that belong to no frame.</summary>
    public long MalformedBytes { get; private set; }

    /// <summary>Frames by type and subtype.</summary>
    public IReadOnlyDictionary<(uint Type, ushort Subtype), long> Kinds => _kinds;

    /// <summary>Takes the next transfer of the stream, whole.</summary>
    public void Add(ReadOnlySpan<byte> data, in TransferFacts facts)
    {
        Count(data, facts);
        if (data.IsEmpty)
        {
            AddEmpty(facts);
            return;
        }

        int offset = 0;
        if (_pendingLength > 0)
        {
            if (IsWholeFrames(data, facts.Missing))
            {
                GiveUp("the next transfer begins a new frame before this one is complete");
            }
            else
            {
                offset = Continue(data, facts);
            }
        }

        if (offset < data.Length)
        {
            Parse(data, offset, facts);
        }
        else if (_open == 0 && offset == data.Length)
        {
            Framed++;
        }

        AssertAccounted();
    }

    /// <summary>Takes a transfer whose bytes cannot be trusted (overflow): reported, never parsed.</summary>
    public void AddUntrusted(ReadOnlySpan<byte> data, in TransferFacts facts)
    {
        Count(data, facts);
        Break("the device sent more than the transfer could take");
        Malformed++;
        ReportMalformed(data, "it came with an overflow and cannot be trusted");
        AssertAccounted();
    }

    /// <summary>Tells of a gap in the stream: an unfinished frame cannot be completed any more.</summary>
    public void Break(string reason)
    {
        if (_pendingLength > 0)
        {
            GiveUp(reason);
        }
    }

    /// <summary>Tells that no more transfers follow.</summary>
    public void End()
    {
        Break("the stream ends inside this frame");
        AssertAccounted();
    }

    private void Count(ReadOnlySpan<byte> data, in TransferFacts facts)
    {
        Transfers++;
        Bytes += data.Length;
        MissingBytes += facts.Missing;
        _lastTime = facts.Time;
    }

    private void AddEmpty(in TransferFacts facts)
    {
        if (facts.Missing > 0)
        {
            Break("none of the next transfer's bytes are in the capture");
            Malformed++;
            ReportMalformed([], string.Create(CultureInfo.InvariantCulture, $"none of its {facts.Missing} bytes are in the capture"));
        }
        else
        {
            Empty++;
            Break("a zero-length packet ends the message inside this frame");
        }

        AssertAccounted();
    }

    /// <summary>Adds a transfer to the unfinished frame.</summary>
    /// <returns>Where in the transfer the frame ends; 0 when the transfer does not continue it, and its length when it is used up.</returns>
    private int Continue(ReadOnlySpan<byte> data, in TransferFacts facts)
    {
        int before = _pendingLength;
        int offset = 0;
        if (before < FrameHeader.Length)
        {
            // Only the header's first bytes were at the end of the last transfer.
            offset = Math.Min(FrameHeader.Length - before, data.Length);
            data[..offset].CopyTo(_pending.AsSpan(before));
            if (before + offset < FrameHeader.Length)
            {
                if (facts.EndOfMessage || facts.Missing > 0)
                {
                    GiveUp("the message ends inside its header");
                    return 0;
                }

                _pendingLength += offset;
                _open++;
                return data.Length;
            }

            if (FrameHeader.Read(_pending).Fault is { } fault)
            {
                GiveUp(fault);
                return 0;
            }

            _pendingLength += offset;
        }

        FrameHeader header = FrameHeader.Read(_pending);
        int wanted = header.Size - _pendingLength - _pendingGap;
        int available = data.Length - offset;
        if (wanted <= available)
        {
            Keep(data.Slice(offset, wanted));
            Complete(header);
            return offset + wanted;
        }

        if (wanted <= available + facts.Missing)
        {
            Keep(data[offset..]);
            Complete(header);
            return data.Length;
        }

        if (facts.EndOfMessage)
        {
            _pendingLength = before;
            GiveUp(string.Create(CultureInfo.InvariantCulture, $"it declares {header.Size} bytes and the message ends before"));
            return 0;
        }

        Keep(data[offset..]);
        _pendingGap += facts.Missing;
        _open++;
        return data.Length;
    }

    private void Parse(ReadOnlySpan<byte> data, int offset, in TransferFacts facts)
    {
        while (offset < data.Length)
        {
            ReadOnlySpan<byte> rest = data[offset..];
            if (rest.Length < FrameHeader.Length)
            {
                if (facts.EndOfMessage || facts.Missing > 0)
                {
                    Refuse(rest, facts.Missing > 0 ? "the snap length cut its header" : Shorter(rest.Length, trailing: offset > 0));
                    return;
                }

                Begin(rest, 0);
                return;
            }

            FrameHeader header = FrameHeader.Read(rest);
            if (header.Fault is { } fault)
            {
                Refuse(rest, fault);
                return;
            }

            if (header.Size > rest.Length + facts.Missing)
            {
                if (facts.EndOfMessage)
                {
                    Refuse(rest, string.Create(CultureInfo.InvariantCulture, $"it declares {header.Size} bytes, {rest.Length + facts.Missing} are left in its message"));
                    return;
                }

                Begin(rest, facts.Missing);
                return;
            }

            int length = Math.Min(header.Size, rest.Length);
            Emit(header, rest[..length]);
            offset += length;
        }

        Framed++;
    }

    private static string Shorter(int length, bool trailing) => trailing
        ? string.Create(CultureInfo.InvariantCulture, $"{length} trailing bytes after the last frame")
        : string.Create(CultureInfo.InvariantCulture, $"{length} bytes are shorter than a header");

    /// <summary>Starts an unfinished frame at the end of a transfer.</summary>
    private void Begin(ReadOnlySpan<byte> rest, int missing)
    {
        Debug.Assert(_pendingLength == 0 && _open == 0, "one frame is unfinished at a time");
        rest.CopyTo(_pending);
        _pendingLength = rest.Length;
        _pendingGap = missing;
        _open = 1;
    }

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        if (_pendingGap > 0)
        {
            _pendingGap += bytes.Length;
            _pendingUnkept += bytes.Length;
            return;
        }

        bytes.CopyTo(_pending.AsSpan(_pendingLength));
        _pendingLength += bytes.Length;
    }

    private void Complete(in FrameHeader header)
    {
        Emit(header, _pending.AsSpan(0, _pendingLength));
        FrameBytes += _pendingUnkept;
        Framed += _open;
        Forget();
    }

    /// <summary>Reports the unfinished frame as malformed.</summary>
    private void GiveUp(string reason)
    {
        MalformedBytes += _pendingUnkept;
        Malformed += _open;
        ReportMalformed(_pending.AsSpan(0, _pendingLength), reason);
        Forget();
    }

    private void Forget()
    {
        _pendingLength = 0;
        _pendingGap = 0;
        _pendingUnkept = 0;
        _open = 0;
    }

    private void Refuse(ReadOnlySpan<byte> rest, string reason)
    {
        Malformed++;
        ReportMalformed(rest, reason);
    }

    private void Emit(in FrameHeader header, ReadOnlySpan<byte> bytes)
    {
        Frames++;
        FrameBytes += bytes.Length;
        _kinds[(header.Type, header.Subtype)] = _kinds.GetValueOrDefault((header.Type, header.Subtype)) + 1;
        sink.OnFrame(header, bytes, _lastTime);
    }

    private void ReportMalformed(ReadOnlySpan<byte> bytes, string reason)
    {
        MalformedBytes += bytes.Length;
        sink.OnMalformed(bytes, reason, _lastTime);
    }

    /// <summary>True when a transfer is a chain of valid frames to its last byte, the last of which the snap length may have cut.</summary>
    private static bool IsWholeFrames(ReadOnlySpan<byte> data, int missing)
    {
        while (data.Length >= FrameHeader.Length)
        {
            FrameHeader header = FrameHeader.Read(data);
            if (header.Fault is not null || header.Size > data.Length + missing)
            {
                return false;
            }

            if (header.Size > data.Length)
            {
                return header.Size == data.Length + missing;
            }

            data = data[header.Size..];
        }

        return data.IsEmpty;
    }

    [Conditional("DEBUG")]
    private void AssertAccounted()
    {
        Debug.Assert(Transfers == Framed + Malformed + Empty + _open, "each transfer is counted once");
        Debug.Assert((_pendingLength == 0) == (_open == 0), "a transfer is open exactly while a frame is unfinished");
    }
}
