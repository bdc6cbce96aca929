namespace ControlPlaneReader;

/// <summary>The exit statuses, as --help lists them.</summary>
internal static class ExitCode
{
    /// <summary>The work is done, or was stopped by Ctrl-C or SIGTERM, or nobody reads the output any more.</summary>
    public const int Done = 0;

    /// <summary>Anything that has no status of its own.</summary>
    public const int Failed = 1;

    /// <summary>The command line is not valid.</summary>
    public const int Usage = 2;

    /// <summary>The capture cannot be read, or has no such endpoint.</summary>
    public const int Capture = 3;

    /// <summary>The device cannot be opened: missing, no permission, in use, no such interface or endpoint.</summary>
    public const int Device = 4;

    /// <summary>The device was unplugged.</summary>
    public const int Unplugged = 5;
}
