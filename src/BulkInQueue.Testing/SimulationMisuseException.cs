namespace BulkIn.Testing;

/// <summary>
/// The code under test broke the contract of <see cref="BulkIn.Backends.IBulkInBackend"/>: on real hardware this would be memory corruption, a leak or
/// undefined behaviour of the native library. The message says who did what, when, and ends with the last events of the record.
/// </summary>
/// <remarks>
/// Thrown where the misuse happens, and again by <see cref="SimulatedEndpoint.VerifyNoMisuse"/> and <see cref="SimulatedEndpoint.Dispose"/>, so a catch in the
/// code under test cannot hide it.
/// </remarks>
public sealed class SimulationMisuseException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">Who did what, when.</param>
    public SimulationMisuseException(string message)
        : base(message)
    {
    }
}
