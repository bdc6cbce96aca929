// What is not disposed of, or too late, is what these tests are about.
#pragma warning disable CA2000
using System.Runtime.InteropServices;
using BulkIn.Backends;
using Xunit;

namespace BulkIn.Testing;

/// <summary>Each way to break the seam's contract is accused on the spot and again at the end.</summary>
public sealed class SimulatedEndpointMisuseTests
{
    [Fact]
    public void Submit_StillPosted_IsAccused() => Accused("still posted", (_, host) =>
    {
        host.Submit(0);
        host.Submit(0);
    });

    [Fact]
    public void Submit_EndedButNotYetReported_IsAccused() => Accused("still posted", (endpoint, host) =>
    {
        host.Submit(0);
        endpoint.Hold();
        endpoint.Deliver([1]);
        host.Submit(0);
    });

    [Fact]
    public void Submit_BufferOfAnotherPostedTransfer_IsAccused() => Accused("buffer 0, which the transfer of slot 0", (_, host) =>
    {
        host.Submit(0);
        host.Transfers[1].Submit(host.Buffers[0]);
    });

    [Fact]
    public void Submit_ForeignMemoryOfAnotherPostedTransfer_IsAccused() => Accused(
        "memory that the transfer of slot 0",
        (_, host) =>
        {
            host.Submit(0);
            host.Transfers[1].Submit(host.Buffers[0]);
        },
        new SimulatedEndpointOptions { OffersBuffers = false });

    [Fact]
    public void Submit_FreedBuffer_IsAccused() => Accused("which was freed", (_, host) =>
    {
        host.Buffers[0].Dispose();
        host.Submit(0);
    });

    [Fact]
    public void Submit_DisposedTransfer_IsAccused() => Accused("which was disposed of", (_, host) =>
    {
        host.Transfers[0].Dispose();
        host.Submit(0);
    });

    [Fact]
    public void Submit_NoMultipleOfTheMaxPacketSize_IsAccused() => Accused("not a positive multiple", (_, host) =>
    {
        using PinnedBuffer odd = new(700);
        host.Transfers[0].Submit(odd);
    });

    [Fact]
    public async Task Submit_WhileItsCancelRuns_IsAccused()
    {
        SimulatedEndpoint endpoint = new();
        SeamHost host = new(endpoint);
        SimulationGate gate = new();
        host.Submit(0);
        endpoint.Cancels.Next(new SimulatedCancel { Gate = gate });
        Task<BackendResult> cancel = Task.Run(() => host.Transfers[0].Cancel());
        await gate.WhenReachedAsync();
        endpoint.Deliver([1]);

        Assert.Throws<SimulationMisuseException>(() => host.Submit(0));
        Assert.Throws<SimulationMisuseException>(host.Transfers[0].Dispose);
        Assert.Throws<SimulationMisuseException>(() => host.Transfers[0].Cancel());

        gate.Open();
        await cancel;
        host.Dispose();
        SimulationMisuseException all = Assert.Throws<SimulationMisuseException>(endpoint.Dispose);
        Assert.StartsWith("3 misuses.", all.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AllocateBuffer_NoMultipleOfTheMaxPacketSize_IsAccused() => Accused("not a positive multiple", (endpoint, _) => endpoint.Backend.AllocateBuffer(513));

    [Fact]
    public void DisposeTransfer_Posted_IsAccused() => Accused("while it is posted", (_, host) =>
    {
        host.Submit(0);
        host.Transfers[0].Dispose();
    });

    [Fact]
    public void DisposeBuffer_Posted_IsAccused() => Accused("Free of buffer 0 while", (_, host) =>
    {
        host.Submit(0);
        host.Buffers[0].Dispose();
    });

    [Fact]
    public void Memory_Freed_IsAccused() => Accused("after it was freed", (_, host) =>
    {
        host.Buffers[1].Dispose();
        Assert.Equal(0, host.Buffers[1].Memory.Length);
    });

    [Fact]
    public void Memory_WrittenWhilePosted_IsAccusedAtTheCompletion()
    {
        SimulatedEndpoint endpoint = new();
        SeamHost host = new(endpoint);
        host.Submit(0);
        host.Buffers[0].Memory.Span[100] = 1;
        endpoint.Deliver([1, 2, 3]);

        Assert.Contains("Write to byte 100 of buffer 0", Assert.Throws<SimulationMisuseException>(endpoint.VerifyNoMisuse).Message, StringComparison.Ordinal);
        host.Dispose();
        Assert.Throws<SimulationMisuseException>(endpoint.Dispose);
    }

    [Fact]
    public void Memory_WrittenAfterTheFree_IsAccusedAtTheEnd()
    {
        SimulatedEndpoint endpoint = new();
        Memory<byte> kept;
        using (SeamHost host = new(endpoint))
        {
            kept = host.Buffers[0].Memory;
        }

        Assert.Equal(0xDD, kept.Span[0]);
        kept.Span[5] = 1;
        Assert.Contains("after it was freed", Assert.Throws<SimulationMisuseException>(endpoint.Dispose).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Memory_WrittenOutsideThroughItsAddress_IsAccused()
    {
        SimulatedEndpoint endpoint = new();
        SeamHost host = new(endpoint);
        Marshal.WriteByte(host.Buffers[0].Address, 1024, 0);
        Marshal.WriteByte(host.Buffers[0].Address, 0, 0);

        Assert.Contains("outside of buffer 0", Assert.Throws<SimulationMisuseException>(host.Dispose).Message, StringComparison.Ordinal);
        Assert.Throws<SimulationMisuseException>(endpoint.Dispose);
    }

    [Fact]
    public async Task ClearHalt_WhilePosted_IsAccused()
    {
        SimulatedEndpoint endpoint = new();
        using (SeamHost host = new(endpoint, transfers: 2))
        {
            host.SubmitAll();
            SimulationMisuseException misuse = await Assert.ThrowsAsync<SimulationMisuseException>(() => endpoint.Backend.ClearHaltAsync().AsTask());
            Assert.Contains("(2 are)", misuse.Message, StringComparison.Ordinal);
        }

        Assert.Throws<SimulationMisuseException>(endpoint.Dispose);
    }

    [Fact]
    public async Task ClearHalt_PlatformClearsItself_IsAccused()
    {
        SimulatedEndpoint endpoint = new(new SimulatedEndpointOptions { Capabilities = BulkInCapabilities.ClearsHaltItself });
        await Assert.ThrowsAsync<SimulationMisuseException>(() => endpoint.Backend.ClearHaltAsync().AsTask());
        Assert.Throws<SimulationMisuseException>(endpoint.Dispose);
    }

    [Fact]
    public async Task ClearHalt_Running_AccusesAnotherASubmitAndTheBackendsEnd()
    {
        SimulatedEndpoint endpoint = new();
        SeamHost host = new(endpoint);
        SimulationGate gate = new();
        endpoint.ClearHalts.Next(new SimulatedClearHalt { Gate = gate });
        Task<BackendResult> running = endpoint.Backend.ClearHaltAsync().AsTask();
        await gate.WhenReachedAsync();

        await Assert.ThrowsAsync<SimulationMisuseException>(() => endpoint.Backend.ClearHaltAsync().AsTask());
        Assert.Throws<SimulationMisuseException>(() => host.Submit(0));
        Assert.Contains("ClearHaltAsync runs", Assert.Throws<SimulationMisuseException>(host.Dispose).Message, StringComparison.Ordinal);

        gate.Open();
        await running;
        endpoint.Backend.Dispose();
        Assert.Throws<SimulationMisuseException>(endpoint.Dispose);
    }

    [Fact]
    public void DisposeBackend_TransferPosted_IsAccused() => Accused("is posted", (endpoint, host) =>
    {
        host.Submit(0);
        endpoint.Backend.Dispose();
    });

    [Fact]
    public void DisposeBackend_TransferAlive_IsAccused() => Accused("is not disposed of", (endpoint, _) => endpoint.Backend.Dispose());

    [Fact]
    public void DisposeBackend_BufferAlive_IsAccused() => Accused("before buffer 1", (endpoint, host) =>
    {
        Array.ForEach(host.Transfers, t => t.Dispose());
        host.Buffers[0].Dispose();
        endpoint.Backend.Dispose();
    });

    [Fact]
    public async Task AnyCall_AfterTheBackendsEnd_IsAccused()
    {
        SimulatedEndpoint endpoint = new();
        endpoint.Backend.Dispose();
        endpoint.Backend.Dispose();

        Assert.Throws<SimulationMisuseException>(() => endpoint.Backend.AllocateBuffer(512));
        Assert.Throws<SimulationMisuseException>(() => new SeamHost(endpoint));
        await Assert.ThrowsAsync<SimulationMisuseException>(() => endpoint.Backend.ClearHaltAsync().AsTask());
        await Assert.ThrowsAsync<SimulationMisuseException>(() => endpoint.Backend.ProbeAsync(TimeSpan.Zero).AsTask());
        Assert.Equal(4, endpoint.Misuses.Count);
        Assert.Throws<SimulationMisuseException>(endpoint.Dispose);
    }

    [Fact]
    public void Dispose_TransferForgotten_IsAccused()
    {
        SimulatedEndpoint endpoint = new();
        SeamHost host = new(endpoint, transfers: 3);
        host.Transfers[0].Dispose();

        SimulationMisuseException leak = Assert.Throws<SimulationMisuseException>(endpoint.Dispose);

        Assert.Contains("2 of 3 transfers were never disposed of (0 allowed)", leak.Message, StringComparison.Ordinal);
        endpoint.Dispose();
    }

    [Fact]
    public void Dispose_BufferForgotten_IsAccused()
    {
        SimulatedEndpoint endpoint = new();
        SeamHost host = new(endpoint, transfers: 2);
        Array.ForEach(host.Transfers, t => t.Dispose());
        host.Buffers[1].Dispose();

        Assert.Contains("1 of 2 buffers", Assert.Throws<SimulationMisuseException>(endpoint.Dispose).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Dispose_BackendForgotten_IsAccused()
    {
        SimulatedEndpoint endpoint = new();
        SeamHost host = new(endpoint);
        Array.ForEach(host.Transfers, t => t.Dispose());
        Array.ForEach(host.Buffers, b => b.Dispose());

        Assert.Contains("backend was never", Assert.Throws<SimulationMisuseException>(endpoint.Dispose).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Dispose_LeakAllowed_IsSilent()
    {
        SimulatedEndpoint endpoint = new() { AllowedLeaks = 1 };
        SeamHost host = new(endpoint, transfers: 2);
        endpoint.Cancels.Next(new SimulatedCancel { Outcome = CancelOutcome.Lost });
        host.Submit(0);
        host.Transfers[0].Cancel();
        host.Transfers[1].Dispose();
        host.Buffers[1].Dispose();

        endpoint.Dispose();

        Assert.Equal((1, 1), (endpoint.LeakedTransfers, endpoint.LeakedBuffers));
    }

    [Fact]
    public void Accusation_Message_SaysWhoWhatWhenAndWhatCameBefore()
    {
        VirtualClock clock = new();
        SimulatedEndpoint endpoint = new(new SimulatedEndpointOptions { TimeProvider = clock });
        SeamHost host = new(endpoint, transfers: 2);
        host.SubmitAll();
        clock.Advance(TimeSpan.FromMilliseconds(20));

        string message = Assert.Throws<SimulationMisuseException>(host.Transfers[1].Dispose).Message;

        Assert.Contains("the transfer of slot 1 (submission 1)", message, StringComparison.Ordinal);
        Assert.Contains("+20.000 ms", message, StringComparison.Ordinal);
        Assert.Contains("Submitted slot 1 submission 1 1024 bytes, 2 posted", message, StringComparison.Ordinal);
        host.Dispose();
        Assert.Throws<SimulationMisuseException>(endpoint.Dispose);
    }

    // The misuse throws on the spot; and although the caller swallows it, it fails the end of the simulation.
    private static void Accused(string words, Action<SimulatedEndpoint, SeamHost> misuse, SimulatedEndpointOptions? options = null)
    {
        SimulatedEndpoint endpoint = new(options);
        SeamHost host = new(endpoint, transfers: 2);

        SimulationMisuseException onTheSpot = Assert.Throws<SimulationMisuseException>(() => misuse(endpoint, host));
        SimulationMisuseException atTheEnd = Assert.Throws<SimulationMisuseException>(endpoint.Dispose);

        Assert.Contains(words, onTheSpot.Message, StringComparison.Ordinal);
        Assert.Equal(onTheSpot.Message, atTheEnd.Message);
        Assert.Contains(endpoint.Log.Events, e => e.Kind == SimulatedEventKind.Misuse);
    }
}
