namespace BulkIn.VirtualUsb;

/// <summary>The answers to chapter 9 requests, and the state they move: configuration, alternate settings, halted endpoints.</summary>
internal sealed class StandardRequests(DeviceDescription description)
{
    private readonly HashSet<byte> _halted = [];
    private readonly Dictionary<byte, byte> _alternates = [];
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
        lock (_halted)
        {
            return _halted.Contains(endpoint);
        }
    }

    /// <summary>Halts an endpoint, or ends its halt. Any thread.</summary>
    public void SetHalted(byte endpoint, bool halted)
    {
        lock (_halted)
        {
            _ = halted ? _halted.Add(endpoint) : _halted.Remove(endpoint);
        }
    }

    /// <summary>Answers a request. One at a time.</summary>
    public void Answer(Urb urb)
    {
        byte[]? reply = urb.Setup.IsStandard ? Reply(urb.Setup) : null;
        if (reply is null)
        {
            urb.Complete(UrbStatus.Stall);
        }
        else
        {
            urb.Complete(reply.AsSpan(0, Math.Min(reply.Length, urb.Setup.Length)));
        }
    }

    // Null is a protocol stall.
    private byte[]? Reply(in SetupPacket setup)
    {
        switch ((Code)setup.Request)
        {
            case Code.GetDescriptor:
                return DescriptorBytes.Find(description, (byte)(setup.Value >> 8), (byte)setup.Value);
            case Code.SetConfiguration:
                _configuration = (byte)setup.Value;
                Reset();
                return [];
            case Code.GetConfiguration:
                return [_configuration];
            case Code.SetInterface:
                return SetInterface((byte)setup.Index, (byte)setup.Value);
            case Code.GetInterface:
                return [_alternates.GetValueOrDefault((byte)setup.Index)];
            case Code.GetStatus:
                return setup.RequestType == 0x82 ? [IsHalted((byte)setup.Index) ? (byte)1 : (byte)0, 0] : [1, 0];
            case Code.ClearFeature or Code.SetFeature when setup.RequestType == 0x02:
                SetHalted((byte)setup.Index, (Code)setup.Request == Code.SetFeature);
                return [];
            case Code.ClearFeature or Code.SetFeature or Code.SetAddress or Code.SetExitLatency or Code.SetIsochronousDelay:
                return [];
            default:
                return null;
        }
    }

    private byte[]? SetInterface(byte number, byte alternate)
    {
        if (!description.Interfaces.Any(setting => setting.Number == number && setting.AlternateSetting == alternate))
        {
            return null;
        }

        _alternates[number] = alternate;
        Reset();
        return [];
    }

    // A new configuration or setting starts with every endpoint free.
    private void Reset()
    {
        lock (_halted)
        {
            _halted.Clear();
        }
    }
}
