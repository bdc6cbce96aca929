using System.Diagnostics;
using BulkIn.Backends;
using Microsoft.Extensions.Logging;

namespace BulkIn.LibUsb;

/// <summary>One libusb context and the thread that handles its events: every completion of one opened device is reported there.</summary>
/// <remarks>
/// <code>
/// Created --Start--> Running --Stop--> Stopping --no transfer in flight--> Ended (context exited, Completion set)
/// Created --Abandon--> Ended
/// </code>
/// <para>A context per device, because usbfs holds one lock per device: a clear_halt that takes seconds must not delay another device's
/// completions.</para>
/// </remarks>
internal sealed class LibUsbEventLoop
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly ILibUsb _libusb;
    private readonly ILogger _logger;
    // Orders an interrupt of the context before its exit, and is what a pause after an error waits on. Never held while events are handled.
    private readonly object _gate = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Thread? _thread;
    private int _inFlight;
    private volatile bool _stopping;

    /// <summary>Creates the context; no thread yet, so that descriptors can be read synchronously.</summary>
    /// <exception cref="BulkInException">libusb could not be initialised.</exception>
    public LibUsbEventLoop(ILibUsb libusb, ILogger logger)
    {
        _libusb = libusb;
        _logger = logger;
        int code = libusb.Init(out nint context);
        if (code != LibUsbCode.Success)
        {
            throw LibUsbFailure.Of(libusb, code, "libusb could not be initialised");
        }

        Context = context;
    }

    /// <summary>The libusb_context. Valid until <see cref="Completion"/>.</summary>
    public nint Context { get; }

    /// <summary>Done when the thread has left libusb for good and the context is gone.</summary>
    public Task Completion => _ended.Task;

    /// <summary>True from <see cref="Stop"/> on.</summary>
    public bool IsStopping => _stopping;

    /// <summary>True on the event thread itself, where nothing may wait for it.</summary>
    public bool IsCurrentThread => Thread.CurrentThread == _thread;

    /// <summary>Transfers submitted and not yet reported: those of queues, probes, OUT and control requests.</summary>
    public int InFlight => Volatile.Read(ref _inFlight);

    /// <summary>Starts the event thread. When it throws, the loop is as before.</summary>
    public void Start(string deviceName)
    {
        Debug.Assert(_thread is null, "An event loop starts once.");
        var thread = new Thread(Run) { IsBackground = true, Name = $"libusb events {deviceName}" };
        _thread = thread;
        try
        {
            thread.Start();
        }
        catch
        {
            _thread = null;
            throw;
        }
    }

    /// <summary>Ends a loop that was never started.</summary>
    public void Abandon()
    {
        Debug.Assert(_thread is null, "A started loop is stopped instead.");
        _stopping = true;
        _libusb.Exit(Context);
        _ended.TrySetResult();
    }

    /// <summary>Counts a transfer in. Called before the submit, because its completion may come before the submit returns.</summary>
    public void Enter() => Interlocked.Increment(ref _inFlight);

    /// <summary>Counts a transfer out: from its completion callback, or after a submit that failed.</summary>
    public void Leave()
    {
        int left = Interlocked.Decrement(ref _inFlight);
        Debug.Assert(left >= 0, "A transfer was counted out twice.");
    }

    /// <summary>
    /// Asks the thread to end, and returns at once. Called after libusb_close, by whoever dropped the last reference on the handle; every submitted
    /// transfer holds one, so none is in flight by then.
    /// </summary>
    public void Stop()
    {
        // Under the gate, because the thread exits the context as soon as it sees the flag: it waits here until the interrupt call is done with it.
        lock (_gate)
        {
            if (!_stopping)
            {
                _stopping = true;
                Monitor.PulseAll(_gate);
                _libusb.InterruptEventHandler(Context);
            }
        }
    }

    /// <summary>Waits until the thread has ended; not on the thread itself.</summary>
    public void Join()
    {
        Debug.Assert(IsStopping, "Nobody told the loop to end.");
        if (!IsCurrentThread)
        {
            _thread?.Join();
        }
    }

    private void Run()
    {
        TimeSpan pause = FirstPause;
        int lastError = 0;
        var resumeThread = new ResumeThread($"{Thread.CurrentThread.Name} resume");
        var burst = new CompletionBurst(resumeThread);

        // The count is looked at after the flag: whoever sets the flag has no transfer left to submit, so the count only falls from then on.
        while (!_stopping || InFlight > 0)
        {
            burst.Begin();
            int code = _libusb.HandleEvents(Context);
            burst.End();
            if (code is LibUsbCode.Success or LibUsbCode.Interrupted)
            {
                pause = FirstPause;
                lastError = 0;
                continue;
            }

            if (code != lastError)
            {
                lastError = code;
                Report(code);
            }

            // Not a wait for something to become ready: it keeps a lasting error from turning into a spin, and a stop request cuts it.
            lock (_gate)
            {
                _ = Monitor.Wait(_gate, pause);
            }

            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }

        resumeThread.End();
        lock (_gate)
        {
            _libusb.Exit(Context);
        }

        _ended.TrySetResult();
    }

    /// <summary>Elsewhere, because a user's logger may block, and every completion of the device waits for this thread.</summary>
    private void Report(int code) => ThreadPool.UnsafeQueueUserWorkItem(
        static failed => LibUsbLog.EventHandlingFailed(failed.Logger, failed.Name, failed.Code),
        (Logger: _logger, Name: _libusb.ErrorName(code), Code: code),
        preferLocal: false);
}
