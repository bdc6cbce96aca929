using System.Runtime.InteropServices;
using BulkIn.Adapters;
using BulkIn.LibUsb;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Testing;
using Xunit;

namespace BulkIn.Tests.LibUsb;

public sealed partial class LibUsbEventLoopTests
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

    [SkippableFact]
    public async Task Stop_ThousandRealLoops_EndAndLeaveNoDescriptorOpen()
    {
        ILibUsb libusb = RealLibUsb.Require();
        await CycleAsync(libusb, 20);
        int before = OpenDescriptors();

        await CycleAsync(libusb, 1000);

        // A few come and go with the test runner itself; a leak of one in each loop would be a thousand.
        Assert.InRange(OpenDescriptors(), 0, before + 20);
    }

    [SkippableFact]
    [FaultRow(90)]
    public async Task Run_SignalsToTheEventThread_GoesOn()
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new SkipException("thread-directed signals are sent the Linux way");
        }

        using var fake = new FakeLibUsb { Real = RealLibUsb.Require() };
        using PosixSignalRegistration handled = PosixSignalRegistration.Create(PosixSignal.SIGWINCH, context => context.Cancel = true);
        var loop = new LibUsbEventLoop(fake, NullLogger.Instance);
        loop.Start("e");
        int thread = FindThread("libusb events e");

        const int WindowChanged = 28;
        long deadline = Environment.TickCount64 + (long)Bound.TotalMilliseconds;
        while (Interruptions(fake) < 3)
        {
            Assert.True(Environment.TickCount64 < deadline, "Three signals should have interrupted the event handling within 20 s.");
            Assert.Equal(0, tgkill(Environment.ProcessId, thread, WindowChanged));
        }

        Assert.False(loop.Completion.IsCompleted, "The event loop ended on a signal.");
        loop.Stop();
        await loop.Completion.WaitAsync(Bound);
        Assert.Equal(0, fake.Contexts);
    }

    [Fact]
    [FaultRow(90)]
    public async Task Run_EventHandlingFails_LogsOnceGoesOnAndEndsOnlyWithNothingInFlight()
    {
        using var fake = new FakeLibUsb();
        for (int i = 0; i < 3; i++)
        {
            fake.NextEventCodes.Enqueue(LibUsbCode.Io);
        }

        fake.NextEventCodes.Enqueue(LibUsbCode.Interrupted);
        var log = new FakeLogger();
        var loop = new LibUsbEventLoop(fake, log);
        loop.Start("f");
        loop.Enter();
        fake.WaitForEventCodes(4);
        loop.Stop();
        loop.Stop();

        Assert.False(loop.Completion.IsCompleted, "The loop ended while a transfer was in flight.");
        loop.Leave();
        fake.InterruptEventHandler(loop.Context);
        await loop.Completion.WaitAsync(Bound);
        loop.Join();
        await Eventually.HoldsAsync(() => log.Collector.Count > 0, "the failure was logged");
        Assert.Single(log.Collector.GetSnapshot());
        Assert.Equal(0, fake.Contexts);
        Assert.Empty(fake.Accusations);
    }

    [Fact]
    public async Task Run_LoggerBlocks_EventsAreHandledAllTheSame()
    {
        using var fake = new FakeLibUsb();
        fake.NextEventCodes.Enqueue(LibUsbCode.Io);
        fake.NextEventCodes.Enqueue(LibUsbCode.Io);
        using var door = new ManualResetEventSlim();
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var loop = new LibUsbEventLoop(fake, new BlockingLogger(reached, door));
        loop.Start("b");
        await reached.Task.WaitAsync(Bound);

        fake.WaitForEventCodes(2);

        door.Set();
        loop.Stop();
        await loop.Completion.WaitAsync(Bound);
    }

    [Fact]
    public async Task Stop_WhileALastingErrorPauses_CutsThePause()
    {
        using var fake = new FakeLibUsb();
        for (int i = 0; i < 1000; i++)
        {
            fake.NextEventCodes.Enqueue(LibUsbCode.Io);
        }

        var loop = new LibUsbEventLoop(fake, NullLogger.Instance);
        loop.Start("p");
        fake.WaitForEventCodes(2);
        loop.Stop();
        await loop.Completion.WaitAsync(Bound);

        // Pausing after each of a thousand errors would take a quarter of an hour; not pausing at all would have used them up.
        Assert.InRange(fake.EventCodes.Count, 2, 100);
    }

    [Fact]
    public void Construction_InitFails_ThrowsAndLeavesNothing()
    {
        using var fake = new FakeLibUsb { Fail = call => call == "init" ? LibUsbCode.Other : 0 };

        BulkInException thrown = Assert.Throws<BulkInException>(() => new LibUsbEventLoop(fake, NullLogger.Instance));

        Assert.Equal(LibUsbCode.Other, thrown.NativeCode);
        Assert.Equal(0, fake.Contexts);
    }

    private sealed class BlockingLogger(TaskCompletionSource reached, ManualResetEventSlim door) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            _ = reached.TrySetResult();
            _ = door.Wait(TimeSpan.FromSeconds(60));
        }
    }

    private static async Task CycleAsync(ILibUsb libusb, int count)
    {
        for (int i = 0; i < count; i++)
        {
            var loop = new LibUsbEventLoop(libusb, NullLogger.Instance);
            loop.Start("c");
            loop.Stop();
            await loop.Completion.WaitAsync(Bound);
        }
    }

    private static int Interruptions(FakeLibUsb fake) => fake.EventCodes.Count(code => code == LibUsbCode.Interrupted);

    private static int OpenDescriptors() => Directory.Exists("/proc/self/fd") ? Directory.GetFileSystemEntries("/proc/self/fd").Length : 0;

    private static int FindThread(string name)
    {
        // The kernel keeps 15 characters of a thread's name, and the thread gives itself its name after it started.
        string comm = name[..Math.Min(15, name.Length)];
        string? found = null;
        Assert.True(SpinWait.SpinUntil(() => (found = Directory.GetDirectories("/proc/self/task").FirstOrDefault(task => Comm(task) == comm)) is not null, Bound), $"There should be a thread named '{comm}'.");
        return int.Parse(Path.GetFileName(found!), System.Globalization.CultureInfo.InvariantCulture);

        static string Comm(string task)
        {
            try
            {
                return File.ReadAllText(Path.Combine(task, "comm")).Trim();
            }
            catch (IOException)
            {
                return "";
            }
        }
    }

#pragma warning disable CA5392, SYSLIB1054 // The C library of the system, in a test.
    [LibraryImport("libc")]
    private static partial int tgkill(int process, int thread, int signal);
#pragma warning restore CA5392, SYSLIB1054
}
