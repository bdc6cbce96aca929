namespace BulkIn.Bench;

/// <summary>libusb's error codes and transfer statuses, by their numbers.</summary>
internal static class LibUsbCodes
{
    public const int Io = -1;
    public const int NoDevice = -4;
    public const int NotFound = -5;
    public const int Timeout = -7;
    public const int Pipe = -9;
    public const int Interrupted = -10;
    public const int NoMemory = -11;
    public const int Other = -99;

    public const int Completed = 0;
    public const int Error = 1;
    public const int TimedOut = 2;
    public const int Cancelled = 3;
    public const int Unknown = 7;
}
