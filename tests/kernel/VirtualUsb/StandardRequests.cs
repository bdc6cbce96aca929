namespace BulkIn.VirtualUsb;

/// <summary>The answers to chapter 9 requests, and the state they move: configuration, alternate settings, halted endpoints.</summary>
internal sealed class StandardRequests(DeviceDescription description)
{
    private const byte DeviceRecipient = 0;
    private const byte InterfaceRecipient = 1;
    private const byte EndpointRecipient = 2;
    private const ushort EndpointHalt = 0;

    // Guards what follows. Never held while answering.
    private readonly Lock _gate = new();
    private readonly HashSet<byte> _halted = [];
    private readonly Dictionary<byte, byte> _alternates = [];
    private readonly byte _configurationValue = DescriptorBytes.ConfigurationValue(description);
    private byte _configuration;

    private enum Code
    {
        GetStatus = 0,
        ClearFeature = 1,
        SetFeature = 3,
        SetAddress = 5,
        GetDescriptor = 6,
        GetConfiguration = 8,
        SetConfiguration = 9,
        GetInterface = 10,
        SetInterface = 11,
        SetExitLatency = 48,
        SetIsochronousDelay = 49,
    }

    /// <summary>True while an endpoint is halted. Any thread.</summary>
    public bool IsHalted(byte endpoint)
    {
        lock (_gate)
        {
            return _halted.Contains(endpoint);
        }
    }

    /// <summary>Halts an endpoint. Any thread.</summary>
    public void Halt(byte endpoint)
    {
        lock (_gate)
        {
            _halted.Add(endpoint);
        }
    }

    /// <summary>The data stage of a request's answer, or null for a protocol stall. Any thread.</summary>
    public byte[]? Answer(in SetupPacket setup)
    {
        if (!setup.IsStandard)
        {
            return null;
        }

        lock (_gate)
        {
            byte[]? reply = Reply(setup);
            return reply is null || reply.Length <= setup.Length ? reply : reply[..setup.Length];
        }
    }

    private byte[]? Reply(in SetupPacket setup)
    {
        switch ((Code)setup.Request)
        {
            case Code.GetDescriptor:
                return DescriptorBytes.Find(description, (byte)(setup.Value >> 8), (byte)setup.Value);
            case Code.SetConfiguration:
                return SetConfiguration((byte)setup.Value);
            case Code.GetConfiguration:
                return [_configuration];
            case Code.SetInterface:
                return SetInterface((byte)setup.Index, (byte)setup.Value);
            case Code.GetInterface:
                return [_alternates.GetValueOrDefault((byte)setup.Index)];
            case Code.GetStatus:
                return Status(setup);
            case Code.ClearFeature or Code.SetFeature when setup.Recipient == EndpointRecipient:
                return SetHalted(setup, (Code)setup.Request == Code.SetFeature);
            // Of a device that keeps no such state: remote wake-up, link power management, latencies, and the address, which the controller gives.
            case Code.ClearFeature or Code.SetFeature or Code.SetAddress or Code.SetExitLatency or Code.SetIsochronousDelay:
                return [];
            default:
                return null;
        }
    }

    private byte[]? Status(in SetupPacket setup) => setup.Recipient switch
    {
        // Self-powered, no remote wake-up.
        DeviceRecipient => [1, 0],
        InterfaceRecipient => [0, 0],
        EndpointRecipient when IsThere((byte)setup.Index) => [_halted.Contains((byte)setup.Index) ? (byte)1 : (byte)0, 0],
        _ => null,
    };

    private byte[]? SetHalted(in SetupPacket setup, bool halted)
    {
        byte endpoint = (byte)setup.Index;
        if (setup.Value != EndpointHalt || !IsThere(endpoint))
        {
            return null;
        }

        // The control endpoint ends its halts with the next request.
        _ = halted && (endpoint & 0x0f) != 0 ? _halted.Add(endpoint) : _halted.Remove(endpoint);
        return [];
    }

    private byte[]? SetConfiguration(byte value)
    {
        if (value != 0 && value != _configurationValue)
        {
            return null;
        }

        _configuration = value;
        _alternates.Clear();
        _halted.Clear();
        return [];
    }

    // A new setting starts with its interface's endpoints free.
    private byte[]? SetInterface(byte number, byte alternate)
    {
        InterfaceDescription? chosen = description.Interfaces.FirstOrDefault(setting => setting.Number == number && setting.AlternateSetting == alternate);
        if (chosen is null)
        {
            return null;
        }

        _alternates[number] = alternate;
        _halted.ExceptWith(chosen.Endpoints.Select(endpoint => endpoint.Address));
        return [];
    }

    // With descriptors given as bytes the description need not list every endpoint: then none is refused.
    private bool IsThere(byte endpoint) =>
        (endpoint & 0x0f) == 0
        || !description.RawConfiguration.IsEmpty
        || description.Interfaces.Any(setting =>
            setting.AlternateSetting == _alternates.GetValueOrDefault(setting.Number) && setting.Endpoints.Any(there => there.Address == endpoint));
}
