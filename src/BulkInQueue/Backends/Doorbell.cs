namespace BulkIn.Backends;

/// <summary>Where one thread sleeps until another rings. A ring that comes first is kept; several before the sleeper looks are one.</summary>
/// <remarks>
/// As an <see cref="AutoResetEvent"/>, which it is where the system has nothing better. The runtime's events wake the sleeper inside of a lock that it then needs itself: on one
/// processor, or with a sleeper quicker than the ringer, each wake-up costs two more context switches.
/// </remarks>
internal abstract class Doorbell
{
    /// <summary>The best that this system has.</summary>
    public static Doorbell Create() => FutexDoorbell.IsSupported ? new FutexDoorbell() : new EventDoorbell();

    /// <summary>Wakes the sleeper, now or when it comes. Any thread; neither blocks nor throws.</summary>
    public abstract void Ring();

    /// <summary>Sleeps until there is, or was, a ring. One thread only. What was written before the ring is visible after it.</summary>
    public abstract void Await();
}
