using BulkIn.Backends;
using BulkIn.Testing;

namespace BulkIn;

/// <summary>A transfer of the model: posted while it has no status.</summary>
internal sealed class ReferenceTransfer
{
    public List<byte> Bytes { get; } = [];

    public TransferStatus? Status { get; set; }

    /// <summary>It ended badly, and not because the queue cancelled it.</summary>
    public bool IsFailure { get; set; }

    /// <summary>Its number in the stream, once it was taken out of the posted ones.</summary>
    public long Number { get; set; }

    /// <summary>Bytes the reader has already.</summary>
    public int Taken { get; set; }

    public int Left => Bytes.Count - Taken;
}

/// <summary>The model's device and bus: what fills, fails and cancels posted transfers, one thing at a time.</summary>
internal sealed class ReferenceDevice(BulkInCapabilities capabilities)
{
    public const int PacketLength = 8;
    public const int BufferLength = 16;

    private readonly List<ReferenceTransfer> _posted = [];
    private readonly Queue<byte[]> _packets = new();
    private readonly Queue<(TransferStatus Status, byte[] Bytes)> _failures = new();
    private readonly Queue<BackendStatus> _submits = new();
    private readonly Queue<bool> _clears = new();
    private readonly Queue<(bool CompletesFirst, byte[] Bytes)> _cancels = new();
    private bool _isHalted;
    private bool _isSuspended;
    private UnplugFlavor _flavor;
    private int _graceCalls;

    public int Posted => _posted.Count;

    public long Submissions { get; private set; }

    public bool IsUnplugged { get; private set; }

    /// <summary>Nothing waits in it to be sent or to fail.</summary>
    public bool IsQuiet => _packets.Count == 0 && _failures.Count == 0 && !_isHalted && !_isSuspended;

    // ---- What happens to it. ----

    public void Deliver(ReadOnlySpan<byte> message, bool isMarked)
    {
        for (int at = 0; at < message.Length; at += PacketLength)
        {
            _packets.Enqueue(message[at..Math.Min(at + PacketLength, message.Length)].ToArray());
        }

        if (message.IsEmpty || (isMarked && message.Length % PacketLength == 0))
        {
            _packets.Enqueue([]);
        }

        Settle();
    }

    public void Fail(TransferStatus status, byte[] bytes)
    {
        _failures.Enqueue((status, bytes));
        Settle();
    }

    public void Halt()
    {
        if (capabilities.HasFlag(BulkInCapabilities.ClearsHaltItself))
        {
            Fail(TransferStatus.Stall, []);
            return;
        }

        _isHalted = true;
        Settle();
    }

    public void CancelUnasked(int count)
    {
        while (count-- > 0 && _posted.Count > 0)
        {
            End(_posted[0], TransferStatus.Cancelled, isFailure: true);
        }
    }

    public void Interrupt(Interruption cause)
    {
        _isSuspended = cause is Interruption.Sleep or Interruption.Deauthorize;
        _isHalted &= cause != Interruption.Reset;
        EndAll(TransferStatus.NoDevice);
    }

    public void Restore() => _isSuspended = false;

    public void Unplug(UnplugFlavor flavor, int graceCalls)
    {
        IsUnplugged = true;
        _flavor = flavor;
        _graceCalls = flavor == UnplugFlavor.LinuxBusError ? graceCalls : 0;
        _packets.Clear();
        _failures.Clear();
        _isHalted = false;
        EndAll(flavor switch
        {
            UnplugFlavor.Linux => TransferStatus.NoDevice,
            UnplugFlavor.Windows => TransferStatus.Stall,
            UnplugFlavor.MacOSUsb3 => TransferStatus.Cancelled,
            _ => TransferStatus.Error,
        });
    }

    // ---- What calls will answer. ----

    public void RefuseSubmits(int skip, BackendStatus status, int times)
    {
        for (int i = 0; i < skip + times; i++)
        {
            _submits.Enqueue(i < skip ? BackendStatus.Success : status);
        }
    }

    /// <summary>The next clear-halt fails; or it succeeds and the device halts again.</summary>
    public void AnswerClearHalt(bool fails) => _clears.Enqueue(fails);

    public void AnswerCancel(bool completesFirst, byte[] bytes) => _cancels.Enqueue((completesFirst, bytes));

    public void ForgetAnswers()
    {
        _submits.Clear();
        _clears.Clear();
    }

    // ---- The calls. ----

    public BackendStatus Submit(ReferenceTransfer transfer)
    {
        if (!_submits.TryDequeue(out BackendStatus answer) || answer == BackendStatus.Success)
        {
            answer = NaturalSubmitAnswer();
        }

        if (answer == BackendStatus.Success)
        {
            Submissions++;
            _posted.Add(transfer);
            Settle();
        }

        return answer;
    }

    /// <summary>Cancels newest first; where one cancel aborts the endpoint, the first that does not come too late is the only one.</summary>
    public void CancelAll()
    {
        while (_posted.Count > 0)
        {
            ReferenceTransfer newest = _posted[^1];
            (bool completesFirst, byte[] bytes) = _cancels.TryDequeue(out (bool, byte[]) scripted) ? scripted : (false, []);
            newest.Bytes.AddRange(bytes);
            if (completesFirst)
            {
                End(newest, TransferStatus.Completed, isFailure: false);
                continue;
            }

            End(newest, TransferStatus.Cancelled, isFailure: false);
            while (capabilities.HasFlag(BulkInCapabilities.CancelAbortsEndpoint) && _posted.Count > 0)
            {
                End(_posted[0], TransferStatus.Cancelled, isFailure: false);
            }
        }
    }

    public bool ClearHalt()
    {
        bool isScripted = _clears.TryDequeue(out bool fails);
        if (isScripted && fails)
        {
            return false;
        }

        if (IsUnplugged)
        {
            _graceCalls -= _graceCalls > 0 ? 1 : 0;
            return false;
        }

        if (_isSuspended)
        {
            return false;
        }

        _isHalted = isScripted;
        return true;
    }

    public DevicePresence Probe()
    {
        if (IsUnplugged && _graceCalls > 0)
        {
            _graceCalls--;
            return DevicePresence.Unknown;
        }

        return IsUnplugged ? DevicePresence.Gone : DevicePresence.Present;
    }

    private BackendStatus NaturalSubmitAnswer()
    {
        if (IsUnplugged && _graceCalls > 0)
        {
            _graceCalls--;
            return BackendStatus.Success;
        }

        return (IsUnplugged, _isSuspended, _flavor) switch
        {
            (true, _, UnplugFlavor.Windows) or (false, true, _) => BackendStatus.Io,
            (true, _, UnplugFlavor.MacOSUsb2 or UnplugFlavor.MacOSUsb3) => BackendStatus.Other,
            (true, _, _) => BackendStatus.NoDevice,
            _ => BackendStatus.Success,
        };
    }

    /// <summary>Failures first, then data, in the order of submission.</summary>
    private void Settle()
    {
        while (_posted.Count > 0)
        {
            ReferenceTransfer oldest = _posted[0];
            if (_failures.TryDequeue(out (TransferStatus Status, byte[] Bytes) failure))
            {
                oldest.Bytes.AddRange(failure.Bytes);
                End(oldest, failure.Status, isFailure: true);
            }
            else if (_isHalted || IsUnplugged)
            {
                End(oldest, _isHalted ? TransferStatus.Stall : TransferStatus.Error, isFailure: true);
            }
            else if (_packets.TryDequeue(out byte[]? packet))
            {
                oldest.Bytes.AddRange(packet);
                if (packet.Length < PacketLength || oldest.Bytes.Count == BufferLength)
                {
                    End(oldest, TransferStatus.Completed, isFailure: false);
                }
            }
            else
            {
                return;
            }
        }
    }

    private void EndAll(TransferStatus status)
    {
        while (_posted.Count > 0)
        {
            End(_posted[0], status, isFailure: true);
        }
    }

    private void End(ReferenceTransfer transfer, TransferStatus status, bool isFailure)
    {
        transfer.Status = status;
        transfer.IsFailure = isFailure;
        _ = _posted.Remove(transfer);
    }
}
