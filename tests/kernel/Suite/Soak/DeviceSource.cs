using BulkIn.Soak;

namespace BulkIn.Bench;

/// <summary>
/// A device on a bus of this machine as the soak's source: opened by the library, and unplugged now and then at any moment, also while it is being opened, recovered or
/// disposed of.
/// </summary>
internal abstract class DeviceSource(int seed, int packetSize) : IStreamSource
{
    // The mean time between two things that happen to the device from outside.
    private static readonly TimeSpan Calm = TimeSpan.FromSeconds(1.5);

    private readonly Random _opening = new(seed);
    private readonly Random _events = new(seed + 1);
    private readonly CancellationTokenSource _end = new();
    private readonly SignalStorm _signals = new();
    private Task _happening = Task.CompletedTask;
    private Task _unplugging = Task.CompletedTask;
    private SysfsDevice? _plugged;
    private LibUsbDevice? _host;
    private byte _endpoint;

    /// <summary>Lets things happen. Called once, by the owner.</summary>
    public void Start() => _happening = Task.Run(LetThingsHappenAsync);

    /// <inheritdoc/>
    public async ValueTask<BulkInQueue> OpenAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (Volatile.Read(ref _plugged) is null)
        {
            await CloseHostAsync();
            await Volatile.Read(ref _unplugging);
            SysfsDevice plugged = await PlugInAsync();
            _endpoint = plugged.BulkIn;
            Volatile.Write(ref _plugged, plugged);
        }

        try
        {
            // Whatever was unplugged meanwhile is opened in vain, as it happens to any program.
            _host ??= Volatile.Read(ref _plugged) is { } device ? Rig.OpenHost(device) : throw new BulkInException(BulkInError.DeviceGone, "Unplugged before it was opened.");
            return _host.OpenBulkInQueue(_endpoint, new BulkInQueueOptions
            {
                Depth = 1 + _opening.Next(16),
                SpareBuffers = _opening.Next(4),
                BufferLength = packetSize * (1 + _opening.Next(8)),
                Recovery = _opening.Next(4) == 0 ? BulkInRecovery.Manual : BulkInRecovery.Automatic,
                RecoveryBackoff = TimeSpan.FromMilliseconds(1),
            });
        }
        catch (BulkInException)
        {
            // A reset may have left a handle that is good for nothing while the device is there.
            await CloseHostAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public ValueTask RestoreAsync(CancellationToken cancellationToken) => default;

    /// <inheritdoc/>
    public async ValueTask<bool> ChangeWhilePausedAsync(CancellationToken cancellationToken)
    {
        try
        {
            return Volatile.Read(ref _host) is { } host && await ChangeAsync(host);
        }
        catch (BulkInException)
        {
            // Unplugged meanwhile, as resuming will say.
            return true;
        }
    }

    /// <inheritdoc/>
    public virtual bool IsLostUnseen(long message) => false;

    /// <summary>Unplugs the device for good and frees everything.</summary>
    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _happening;
        await _unplugging;
        _signals.Dispose();
        await CloseHostAsync();
        Remove();
        _end.Dispose();
    }

    /// <summary>Plugs the device in and waits for the kernel to configure it.</summary>
    protected abstract Task<SysfsDevice> PlugInAsync();

    /// <summary>Unplugs the device.</summary>
    protected abstract void Unplug();

    /// <summary>Removes the device, plugged in or not.</summary>
    protected abstract void Remove();

    /// <summary>Something else that happens to a device that is open, and costs it no data.</summary>
    protected abstract Task HappenAsync(LibUsbDevice host, byte endpoint);

    /// <summary>Changes the device as a driver does while its queue is paused.</summary>
    /// <returns>True when it may have lost what it was about to send.</returns>
    protected abstract Task<bool> ChangeAsync(LibUsbDevice host);

    private async Task LetThingsHappenAsync()
    {
        while (!_end.IsCancellationRequested)
        {
            await Task.Delay(Calm * (2 * _events.NextDouble()), _end.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (_end.IsCancellationRequested || Volatile.Read(ref _plugged) is null)
            {
                continue;
            }

            if (_events.Next(4) == 0)
            {
                TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
                Volatile.Write(ref _unplugging, done.Task);
                Volatile.Write(ref _plugged, null);
                Unplug();
                done.SetResult();
                continue;
            }

            try
            {
                if (Volatile.Read(ref _host) is { } host)
                {
                    await HappenAsync(host, _endpoint);
                }
            }
            catch (Exception refused) when (refused is BulkInException or ObjectDisposedException)
            {
                // The host closed its handle meanwhile, or the request met a halt, a reset or a device that is leaving.
                continue;
            }
        }
    }

    private async ValueTask CloseHostAsync()
    {
        if (Interlocked.Exchange(ref _host, null) is { } host)
        {
            await host.DisposeAsync();
        }
    }
}
