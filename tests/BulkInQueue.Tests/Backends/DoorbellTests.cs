using System.Runtime.InteropServices;
using BulkIn.Backends;
using Xunit;

namespace BulkIn.Tests.Backends;

public sealed partial class DoorbellTests
{
    public enum Kind
    {
        Best = 0,
        Event,
    }

    [SkippableFact]
    public void Create_OnLinux_IsAFutex()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "futexes are Linux's");

        Assert.IsType<FutexDoorbell>(Doorbell.Create());
    }

    [Theory]
    [InlineData(Kind.Best)]
    [InlineData(Kind.Event)]
    public void Await_RungBefore_ReturnsAtOnceAndOnce(Kind kind)
    {
        Doorbell bell = Of(kind);
        bell.Ring();
        bell.Ring();
        RunToItsEnd(bell.Await);

        int id = 0;
        bool woke = false;
        Thread sleeper = Start(() =>
        {
            Volatile.Write(ref id, bell is FutexDoorbell ? gettid() : 0);
            bell.Await();
            Volatile.Write(ref woke, true);
        });
        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref woke) || IsAsleep(bell, sleeper, Volatile.Read(ref id)), Bounded.Limit), "The sleeper never slept.");
        Assert.False(Volatile.Read(ref woke), "Two rings before the sleeper came woke it twice.");
        bell.Ring();
        Assert.True(sleeper.Join(Bounded.Limit), "The ring did not wake the sleeper.");
    }

    [Theory]
    [InlineData(Kind.Best)]
    [InlineData(Kind.Event)]
    public void Ring_HundredThousandTimesInTurns_LosesNone(Kind kind)
    {
        const int Turns = 100_000;
        Doorbell there = Of(kind), back = Of(kind);
        int asked = 0, answered = 0;
        Thread sleeper = Start(() =>
        {
            for (int turn = 1; turn <= Turns; turn++)
            {
                there.Await();
                if (asked != turn)
                {
                    return;
                }

                answered = turn;
                back.Ring();
            }
        });
        Thread ringer = Start(() =>
        {
            for (int turn = 1; turn <= Turns; turn++)
            {
                asked = turn;
                there.Ring();
                back.Await();
                if (answered != turn)
                {
                    return;
                }
            }
        });

        Assert.True(ringer.Join(Bounded.Limit), $"A ring was lost: turn {Volatile.Read(ref asked)} was asked for, {Volatile.Read(ref answered)} answered.");
        Assert.True(sleeper.Join(Bounded.Limit), "The sleeper never ended.");
        Assert.Equal((Turns, Turns), (asked, answered));
    }

    private static bool IsAsleep(Doorbell bell, Thread sleeper, int thread)
    {
        // The runtime knows who waits for its own events, on every system; who sleeps on a futex only Linux does.
        if (bell is not FutexDoorbell)
        {
            return sleeper.ThreadState.HasFlag(ThreadState.WaitSleepJoin);
        }

        // The state follows the name, which is in brackets.
        string stat = thread == 0 ? "" : File.ReadAllText($"/proc/self/task/{thread}/stat");
        int name = stat.LastIndexOf(')');
        return name > 0 && stat[name + 2] == 'S';
    }

    private static Doorbell Of(Kind kind) => kind == Kind.Best ? Doorbell.Create() : new EventDoorbell();

    private static Thread Start(Action body)
    {
        var thread = new Thread(() => body()) { IsBackground = true };
        thread.Start();
        return thread;
    }

    private static void RunToItsEnd(Action body) => Assert.True(Start(body).Join(Bounded.Limit), "A ring that came first was lost.");

#pragma warning disable CA5392, SYSLIB1054 // The C library of the system, in a test.
    [LibraryImport("libc")]
    private static partial int gettid();
#pragma warning restore CA5392, SYSLIB1054
}
