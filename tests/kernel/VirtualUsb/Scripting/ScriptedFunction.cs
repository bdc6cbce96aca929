namespace BulkIn.VirtualUsb;

/// <summary>A virtual device that does what a <see cref="UsbScript"/> says.</summary>
public sealed class ScriptedFunction : UsbFunction, IDisposable
{
    private readonly Dictionary<byte, ScriptedEndpoint> _endpoints = [];
    private readonly DelayedActions _delays = new(TimeProvider.System);
    private VirtualUsbDevice? _device;
    private long _outTransfers;

    private ScriptedFunction(UsbScript script)
    {
        foreach (EndpointDescription endpoint in script.Description.Interfaces.SelectMany(setting => setting.Endpoints))
        {
            _endpoints[endpoint.Address] = new ScriptedEndpoint(script.Program(endpoint.Address), _delays, Halt, Unplug, endpoint.IsIn);
        }
    }

    /// <summary>OUT transfers that arrived so far.</summary>
    public long OutTransfers => Interlocked.Read(ref _outTransfers);

    /// <summary>Plugs in a device that runs a script.</summary>
    /// <param name="script">The script.</param>
    /// <returns>The device and its function; dispose of the device first.</returns>
    public static (VirtualUsbDevice Device, ScriptedFunction Function) Plug(UsbScript script)
    {
        ArgumentNullException.ThrowIfNull(script);
        var function = new ScriptedFunction(script);
        try
        {
            function._device = VirtualUsbDevice.Plug(script.Description, function);
            return (function._device, function);
        }
        catch
        {
            function.Dispose();
            throw;
        }
    }

    /// <summary>Lets an endpoint's script go on behind its <c>silence</c>.</summary>
    /// <param name="endpoint">The endpoint's address.</param>
    public void Wake(byte endpoint) => _endpoints[endpoint].Wake();

    /// <summary>True when an endpoint's script has ended or waits in a <c>silence</c>.</summary>
    /// <param name="endpoint">The endpoint's address.</param>
    public bool IsQuiet(byte endpoint) => _endpoints[endpoint].IsQuiet;

    /// <inheritdoc/>
    public override void Submitted(Urb urb)
    {
        ArgumentNullException.ThrowIfNull(urb);
        _endpoints[urb.Endpoint].Submitted(urb);
        if (!urb.IsIn)
        {
            Interlocked.Increment(ref _outTransfers);
            foreach (ScriptedEndpoint endpoint in _endpoints.Values)
            {
                endpoint.OutArrived();
            }
        }
    }

    /// <inheritdoc/>
    public override void Unlinking(Urb urb)
    {
        ArgumentNullException.ThrowIfNull(urb);
        if (_endpoints.TryGetValue(urb.Endpoint, out ScriptedEndpoint? endpoint))
        {
            endpoint.Unlinking(urb);
        }
        else
        {
            urb.ConfirmUnlink();
        }
    }

    /// <summary>Forgets every answer that waits for its time.</summary>
    public void Dispose() => _delays.Dispose();

    private void Halt(byte endpoint) => _device?.Halt(endpoint);

    // Unplugging waits for the device's thread, which is the one that may be here.
    private void Unplug() => _delays.Add(TimeSpan.Zero, () => _device?.Dispose());
}
