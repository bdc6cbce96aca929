using System.Diagnostics;
using System.Runtime.InteropServices;

namespace BulkIn.Bench;

/// <summary>Where an order takes effect; submits, cancels and completions are those of bulk and interrupt IN transfers. See <c>tests/kernel/shim/shim.h</c>.</summary>
internal enum ShimPoint
{
    AllocTransfer,
    Submit,
    Cancel,
    ClearHalt,
    MemoryAlloc,
    HandleEvents,
    Completion,
}

/// <summary>Orders to the library between ours and libusb.</summary>
internal static partial class Shim
{
    /// <summary>For a count: every call from then on.</summary>
    public const int ForEver = -1;

    private const string LibUsb = "libusb-1.0.so.0";
    private const int AsIs = -1000;

    private static readonly TimeSpan BetweenSignals = TimeSpan.FromMilliseconds(10);

    private enum Action
    {
        Answer,
        AnswerAfter,
        Gate,
        Swallow,
        Hold,
        Alter,
    }

    /// <summary>Calls answer a code and never reach libusb.</summary>
    /// <param name="point">Which calls.</param>
    /// <param name="code">A libusb error; without meaning where NULL is the answer.</param>
    /// <param name="skip">Calls to let pass first.</param>
    /// <param name="count">How many then.</param>
    public static void Answer(ShimPoint point, int code = 0, int skip = 0, int count = 1) => Order(point, Action.Answer, skip, count, code, AsIs);

    /// <summary>Calls reach libusb, and answer a code whatever it did.</summary>
    public static void AnswerAfter(ShimPoint point, int code, int skip = 0, int count = 1) => Order(point, Action.AnswerAfter, skip, count, code, AsIs);

    /// <summary>A call waits, before it reaches libusb, until the gate is opened.</summary>
    public static void Gate(ShimPoint point, int skip = 0) => Order(point, Action.Gate, skip, 1, 0, AsIs);

    /// <summary>Completions are never told.</summary>
    public static void Swallow(int skip = 0, int count = 1) => Order(ShimPoint.Completion, Action.Swallow, skip, count, 0, AsIs);

    /// <summary>Completions are told by <see cref="Release"/>.</summary>
    public static void Hold(int skip = 0, int count = 1) => Order(ShimPoint.Completion, Action.Hold, skip, count, 0, AsIs);

    /// <summary>Completions get another status or length.</summary>
    public static void Alter(int? status = null, int? length = null, int skip = 0, int count = 1) =>
        Order(ShimPoint.Completion, Action.Alter, skip, count, status ?? AsIs, length ?? AsIs);

    /// <summary>Waits until a call stands at the gate.</summary>
    public static void WaitForGate() =>
        CaseContext.Require(WaitGate((int)CaseContext.Patience.TotalMilliseconds) != 0, $"not within {CaseContext.Patience.TotalSeconds:0} s: a call comes to the gate");

    /// <summary>Keeps the thread that handles events from calling libusb, until the gate is opened: what completes meanwhile is not told.</summary>
    public static void GatePump()
    {
        Gate(ShimPoint.HandleEvents);
        InterruptPumpsUntil(() => WaitGate(10) != 0, "the thread that handles events comes to the gate");
    }

    /// <summary>
    /// Interrupts the threads that handle events until something is so: a signal that comes before the wait interrupts nothing. Not faster than they can take them, because
    /// such signals queue, and a thread with a queue of them does nothing else.
    /// </summary>
    public static void InterruptPumpsUntil(Func<bool> condition, string what)
    {
        ArgumentNullException.ThrowIfNull(condition);
        long start = Stopwatch.GetTimestamp();
        do
        {
            CaseContext.Require(Stopwatch.GetElapsedTime(start) < CaseContext.Patience, $"not within {CaseContext.Patience.TotalSeconds:0} s: {what}");
            _ = InterruptPumps();
        }
        while (!SpinWait.SpinUntil(condition, BetweenSignals));
    }

    /// <summary>Takes back every order that is not carried out yet.</summary>
    [LibraryImport(LibUsb, EntryPoint = "shim_forget_orders")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial void ForgetOrders();

    /// <summary>Lets the calls at the gate go on.</summary>
    [LibraryImport(LibUsb, EntryPoint = "shim_open_gate")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial void OpenGate();

    /// <summary>Tells the held completions, on this thread.</summary>
    /// <returns>How many.</returns>
    [LibraryImport(LibUsb, EntryPoint = "shim_release")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int Release();

    /// <summary>Completions swallowed or held, and not told.</summary>
    [LibraryImport(LibUsb, EntryPoint = "shim_untold")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int Untold();

    /// <summary>Sends a signal to every thread that handles events.</summary>
    /// <returns>How many there are.</returns>
    [LibraryImport(LibUsb, EntryPoint = "shim_interrupt_pumps")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int InterruptPumps();

    /// <summary>Completions told so far.</summary>
    public static long Completions => Count(2);

    /// <summary>Cancels so far.</summary>
    public static long Cancels => Count(3);

    /// <summary>Calls and completions altered so far, and signals sent.</summary>
    public static long Altered => Count(4);

    [LibraryImport(LibUsb, EntryPoint = "shim_order")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial void Order(ShimPoint point, Action action, int skip, int count, int code, int length);

    [LibraryImport(LibUsb, EntryPoint = "shim_wait_gate")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int WaitGate(int milliseconds);

    // The counters' numbers are report.h's.
    [LibraryImport(LibUsb, EntryPoint = "shim_count")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Count(int counter);
}
