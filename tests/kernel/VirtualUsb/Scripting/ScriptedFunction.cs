namespace BulkIn.VirtualUsb;

/// <summary>A virtual device that does what a <see cref="UsbScript"/> says. Disposing unplugs it.</summary>
public sealed class ScriptedFunction : UsbFunction, IDisposable
{
    private readonly Dictionary<byte, ScriptedEndpoint> _endpoints = [];
    private readonly DelayedActions _delays;
    private long _outTransfers;

    internal ScriptedFunction(UsbScript script, TimeProvider time)
    {
        _delays = new DelayedActions(time);
        foreach (EndpointDescription endpoint in script.Description.Interfaces.SelectMany(setting => setting.Endpoints))
        {
            byte address = endpoint.Address;
            _endpoints[address] = new ScriptedEndpoint(script.Program(address), _delays, () => Device.Halt(address), () => Device.Unplug(), endpoint.IsIn);
        }
    }

    /// <summary>OUT transfers that arrived so far.</summary>
    public long OutTransfers => Interlocked.Read(ref _outTransfers);

    /// <summary>Plugs in a device that runs a script.</summary>
    /// <param name="script">The script.</param>
    /// <returns>The function; its <see cref="UsbFunction.Device"/> is plugged in and configured.</returns>
    /// <remarks>Throws what <see cref="VirtualUsbDevice.Plug(DeviceDescription, UsbFunction)"/> throws.</remarks>
    public static ScriptedFunction Plug(UsbScript script)
    {
        ArgumentNullException.ThrowIfNull(script);
        var function = new ScriptedFunction(script, TimeProvider.System);
        try
        {
            _ = VirtualUsbDevice.Plug(script.Description, function);
            return function;
        }
        catch
        {
            function._delays.Dispose();
            throw;
        }
    }

    /// <summary>Lets an endpoint's script go on behind its <c>silence</c>, the present one or the next.</summary>
    /// <param name="endpoint">The endpoint's address.</param>
    /// <exception cref="ArgumentException">The device has no such endpoint.</exception>
    public void Wake(byte endpoint)
    {
        if (!_endpoints.TryGetValue(endpoint, out ScriptedEndpoint? scripted))
        {
            throw new ArgumentException($"The script declares no endpoint 0x{endpoint:x2}.", nameof(endpoint));
        }

        scripted.Wake();
    }

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

    /// <summary>Unplugs the device as <see cref="VirtualUsbDevice.Dispose"/> does, and forgets every answer that waits for its time.</summary>
    public void Dispose()
    {
        Device.Dispose();
        _delays.Dispose();
    }
}
