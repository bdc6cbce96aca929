namespace BulkIn.Testing;

/// <summary>What ended the posted transfers, with NO_DEVICE, while the device stayed attached.</summary>
public enum Interruption
{
    /// <summary>The device was reset. Submits work again.</summary>
    Reset = 0,

    /// <summary>The interface was released. Submits work again (usbfs claims it silently).</summary>
    Release,

    /// <summary>The device was deauthorized. Submits answer an input/output error until <see cref="SimulatedEndpoint.Restore"/>.</summary>
    Deauthorize,

    /// <summary>The system sleeps. Submits answer an input/output error until <see cref="SimulatedEndpoint.Restore"/>.</summary>
    Sleep,
}
