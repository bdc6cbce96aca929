using BulkIn.Backends;
using BulkIn.Testing;

namespace BulkIn.Soak;

/// <summary>A simulated device that floods, fails, is unplugged and comes back, with a thread of its own; and the platforms it may be attached to.</summary>
internal sealed class SimulatedSource : IStreamSource
{
    private const int MaxPacketSize = 512;

    // Once in so many messages: a fault; a change between flooding, where every transfer completes at once, and waiting for posted transfers, where the reader waits.
    private const int FaultDistance = 400;
    private const int PaceDistance = 3000;

    private readonly Lock _gate = new();
    private readonly Random _random;
    private readonly Random _openRandom;
    private readonly MessageMaker _messages;
    private readonly Task _sender;
    private readonly CancellationTokenSource _end = new();
    private SimulatedEndpoint? _device;
    private bool _isUnplugged;
    private bool _isSlow;

    public SimulatedSource(int seed)
    {
        _random = new Random(seed);
        _messages = new MessageMaker(_random, MaxPacketSize);
        _openRandom = new Random(seed + 1);
        _sender = Task.Factory.StartNew(Send, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    public ValueTask<BulkInQueue> OpenAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        BulkInCapabilities platform = _openRandom.Next(3) switch
        {
            0 => BulkInCapabilities.ClearsHaltItself | BulkInCapabilities.StallMayMeanGone,
            1 => BulkInCapabilities.CancelAbortsEndpoint,
            _ => BulkInCapabilities.None,
        };
        SimulatedEndpoint device = new(SimulatedEndpointOptions.Fast with
        {
            MaxPacketSize = MaxPacketSize,
            Capabilities = platform,
            CompletionThread = CompletionThread.Dedicated,
            CompletesInsideSubmit = _openRandom.Next(2) == 0,
            OffersBuffers = _openRandom.Next(2) == 0,
        });
        SimulatedEndpoint? last;
        lock (_gate)
        {
            last = _device;
            _device = device;
            _isUnplugged = false;
        }

        // Its queue is disposed of: here it tells of misuse and leaks.
        last?.Dispose();
        return new ValueTask<BulkInQueue>(device.OpenQueue(new BulkInQueueOptions
        {
            Depth = 1 + _openRandom.Next(16),
            SpareBuffers = _openRandom.Next(4),
            BufferLength = MaxPacketSize * (1 + _openRandom.Next(8)),
            Recovery = _openRandom.Next(4) == 0 ? BulkInRecovery.Manual : BulkInRecovery.Automatic,
            RecoveryBackoff = TimeSpan.FromMilliseconds(1),
        }));
    }

    public ValueTask RestoreAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            _device?.Restore();
        }

        return default;
    }

    public ValueTask<bool> ChangeWhilePausedAsync(CancellationToken cancellationToken) => new(false);

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _sender;
        _end.Dispose();
        _device?.Dispose();
    }

    private void Send()
    {
        SpinWait spin = default;
        while (!_end.IsCancellationRequested)
        {
            bool sent;
            lock (_gate)
            {
                sent = _device is { } device && !_isUnplugged && (_isSlow ? device is { Posted: > 0, WaitingMessages: 0 } : device.WaitingMessages < 64);
                if (sent)
                {
                    Act(_device!);
                }
            }

            if (sent)
            {
                spin.Reset();
            }
            else
            {
                // Yields only: the reader is the bottleneck and gets the processor.
                spin.SpinOnce(sleep1Threshold: -1);
            }
        }
    }

    private void Act(SimulatedEndpoint device)
    {
        if (_random.Next(PaceDistance) == 0)
        {
            _isSlow = !_isSlow;
        }

        if (_random.Next(FaultDistance) == 0)
        {
            Fault(device);
        }
        else
        {
            Deliver(device);
        }
    }

    private void Deliver(SimulatedEndpoint device) => device.Deliver(_messages.Next().Span, zeroLengthPacket: true);

    private void Fault(SimulatedEndpoint device)
    {
        switch (_random.Next(24))
        {
            case 0 or 1 or 2:
                device.StallOnce();
                break;
            case 3 or 4 or 5:
                device.Stall();
                break;
            case 6 or 7 or 8 when device.Posted > 0:
                // With something posted nothing waits in the device: this number is lost on the bus, where the transfer fails.
                device.Error();
                _messages.Lose();
                break;
            case 9 or 10:
                device.Overflow([0x7F, 0x7E, 0x7D]);
                break;
            case 11:
                device.Fail((TransferStatus)(7 + _random.Next(5)), reportedLength: _random.Next(2) == 0 ? -1 : null);
                break;
            case 12 or 13:
                device.CancelUnasked(1 + _random.Next(4));
                break;
            case 14 or 15:
                device.Interrupt((Interruption)_random.Next(4));
                break;
            case 16 or 17:
                device.Submits.Skip(_random.Next(4)).Next(SimulatedResults.Of(BackendStatus.NoMemory), times: 1 + _random.Next(3));
                break;
            case 18:
                device.Submits.Skip(_random.Next(4)).Next(SimulatedResults.Of(BackendStatus.Io));
                break;
            case 19 when !device.Options.Capabilities.HasFlag(BulkInCapabilities.ClearsHaltItself):
                device.ClearHalts.Next(new SimulatedClearHalt { Answer = SimulatedResults.Of(BackendStatus.Pipe) });
                device.ClearHalts.Next(new SimulatedClearHalt { HaltsAgain = true });
                device.Stall();
                break;
            case 20 or 21 or 22:
                device.Hold();
                for (int i = _random.Next(8); i >= 0; i--)
                {
                    Deliver(device);
                }

                device.ReleaseReversed();
                device.StopHolding();
                break;
            case 23 when _random.Next(4) == 0:
                _isUnplugged = true;
                device.Unplug(device.Options.Capabilities switch
                {
                    BulkInCapabilities.None => _random.Next(2) == 0 ? UnplugFlavor.Linux : UnplugFlavor.LinuxBusError,
                    BulkInCapabilities.CancelAbortsEndpoint => _random.Next(2) == 0 ? UnplugFlavor.MacOSUsb2 : UnplugFlavor.MacOSUsb3,
                    _ => UnplugFlavor.Windows,
                });
                break;
            default:
                Deliver(device);
                break;
        }
    }
}
