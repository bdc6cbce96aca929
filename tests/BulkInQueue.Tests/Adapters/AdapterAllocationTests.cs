using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using BulkIn.Testing;
using Xunit;

namespace BulkIn.Adapters;

/// <summary>Steady state allocates nothing in the adapters either, whether data is there or waited for: counted over many packets.</summary>
[Collection(nameof(RunsAlone))]
public sealed class AdapterAllocationTests : IAsyncLifetime
{
    private const int Packets = 50_000;

    private readonly SimulatedEndpoint _device = new(SimulatedEndpointOptions.Fast with { MaxPacketSize = 512 });
    private readonly byte[] _packet = new byte[100];
    private readonly byte[] _destination = new byte[1024];
    private BulkInQueue _queue = null!;

    public Task InitializeAsync()
    {
        _queue = _device.OpenQueue(new BulkInQueueOptions { Depth = 4, BufferLength = 1024 });
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        await _queue.DisposeAsync().InTime();
        _device.Dispose();
    }

    [Fact]
    public async Task ReadAllAsync_Waiting_AllocatesNothing()
    {
        await using IAsyncEnumerator<BulkInLease> packets = _queue.ReadAllAsync().GetAsyncEnumerator();
        await AllocatesNothing([AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))] async ValueTask () =>
        {
            ValueTask<bool> next = packets.MoveNextAsync();
            _device.Deliver(_packet);
            _ = await next;
        });
    }

    [Fact]
    public async Task PipeReader_Waiting_AllocatesNothing()
    {
        PipeReader pipe = _queue.AsPipeReader();
        await AllocatesNothing([AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))] async ValueTask () =>
        {
            ValueTask<ReadResult> read = pipe.ReadAsync();
            _device.Deliver(_packet);
            ReadResult result = await read;
            pipe.AdvanceTo(result.Buffer.GetPosition(result.Buffer.Length / 2), result.Buffer.End);
        });
        await pipe.CompleteAsync();
    }

    [Fact]
    public async Task PipeReader_MovingToPooledMemory_AllocatesNothing()
    {
        PipeReader pipe = _queue.AsPipeReader();
        await AllocatesNothing([AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))] async ValueTask () =>
        {
            _device.Deliver(_packet);
            ReadResult result = await pipe.ReadAsync();
            bool full = result.Buffer.Length >= 10 * _packet.Length;
            pipe.AdvanceTo(full ? result.Buffer.End : result.Buffer.Start, result.Buffer.End);
        });
        await pipe.CompleteAsync();
    }

    [Fact]
    public async Task Stream_Ready_AllocatesNothing()
    {
        await using Stream stream = _queue.AsStream();
        await AllocatesNothing([AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))] async ValueTask () =>
        {
            _device.Deliver(_packet);
            _ = await stream.ReadAsync(_destination);
        });
    }

    [Fact]
    public async Task Pump_Read_AllocatesNothing()
    {
        await using BulkInPump pump = _queue.StartPump(16);
        await AllocatesNothing([AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))] async ValueTask () =>
        {
            _device.Deliver(_packet);
            BulkInLease packet;
            while (!pump.Reader.TryRead(out packet))
            {
                _ = await pump.Reader.WaitToReadAsync();
            }

            packet.Dispose();
        });
    }

    [Fact]
    public Task ReadMessageAsync_Ready_AllocatesItsClaimOnly()
    {
        ArrayBufferWriter<byte> writer = new(1024);
        return Allocates(
            64,
            [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))] async ValueTask () =>
            {
                writer.ResetWrittenCount();
                _device.Deliver(_packet);
                _ = await _queue.ReadMessageAsync(writer);
            });
    }

    private static Task AllocatesNothing(Func<ValueTask> step) => Allocates(1, step);

    /// <summary>In rounds, because the JIT and the pools settle in the first; the whole process is counted, so the limit is exclusive and small, not zero.</summary>
    private static async Task Allocates(double lessThan, Func<ValueTask> step)
    {
        double best = double.MaxValue;
        for (int round = 0; round < 5 && best >= lessThan; round++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            for (int i = 0; i < Packets; i++)
            {
                await step();
            }

            best = Math.Min(best, (GC.GetTotalAllocatedBytes(precise: true) - before) / (double)Packets);
        }

        Assert.True(best < lessThan, $"{best:F2} bytes were allocated for each packet, not less than {lessThan}.");
    }
}
