using System.Buffers;
using System.IO.Pipelines;
using BulkIn.DeviceScript;

namespace BulkIn.Bench;

/// <summary>The queue in .NET's own shapes, on real transfers: every byte in order, no posted depth lost, a clean end at the unplug.</summary>
internal static class AdapterCases
{
    private const int Depth = 4;
    private const int Length = 4000;

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("adapter.enumerable", "await foreach brings every packet, zero-length ones too, without a copy, and ends with the unplug.", Packets),
        new("adapter.pipe", "A parser that needs more than all buffers hold gets it, zero copy, with every slot posted meanwhile.", Frames) { Rows = [new FaultRow(5)] },
        new("adapter.pipe-unplug", "A pipe completes with the unplug, after everything that had arrived.", PipeUnplug) { Rows = [new FaultRow(32)] },
        new("adapter.stream", "A stream skips zero-length packets, blocks or awaits, and ends with the unplug.", Bytes) { Rows = [new FaultRow(2)] },
        new("adapter.message", "Messages end where the device ends them: short, an exact multiple with its zero-length packet, empty, above the limit.", Messages)
        {
            Rows = [new FaultRow(2), new FaultRow(3)],
        },
        new("adapter.fault", "A stall is thrown at its place by every consumer, and each goes on behind it.", Fault) { Rows = [new FaultRow(21)] },
        new("adapter.handover", "A handshake by RecvAsync, then a pump, a pipe, an enumeration: each goes on where the last one ended.", Handover),
    ];

    private static async Task Packets(CaseContext context)
    {
        int packets = context.Size(5000, 500);
        await using Rig rig = await Rig.GadgetAsync($"in replies\ntask\nwrite replies random {Rig.BufferLength} {packets}\nunbind");
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        int received = 0, empty = 0;
        await foreach (BulkInLease packet in queue.ReadAllAsync())
        {
            int expected = SequencedPayload.Length(received, Rig.BufferLength);
            CaseContext.Require(packet.Length == expected && packet.Sequence == received, $"packet {received} has {packet.Length} bytes instead of {expected}, and the number {packet.Sequence}");
            CaseContext.Require(SequencedPayload.FirstDifference(packet.Span, received) < 0, $"packet {received} is not the one the device sent");
            CaseContext.Require(packet.EndOfMessage == packet.Length < Rig.BufferLength, $"packet {received} of {packet.Length} bytes {(packet.EndOfMessage ? "ends" : "does not end")} a message");
            CaseContext.Require(queue.Statistics.Leases == 1, $"{queue.Statistics.Leases} leases are out at packet {received}");
            empty += packet.Length == 0 ? 1 : 0;
            received++;
        }

        CaseContext.Figure($"{received} packets, {empty} zero-length, then the end; {queue.State}, {queue.Statistics.Leases} leases");
        CaseContext.Require(received == packets, $"{received} of {packets} packets were enumerated");
        CaseContext.Require(queue is { State: BulkInState.Gone, Statistics.Leases: 0 }, $"the queue is {queue.State} with {queue.Statistics.Leases} leases");
    }

    private static async Task Frames(CaseContext context)
    {
        // Four times what slots and spares hold together.
        const int Transfers = 100;
        const int Frame = Transfers * Length;
        int frames = context.Size(50, 5);
        await using Rig rig = await Rig.GadgetAsync($"in replies\ntask\nwrite replies {Length} {Transfers}\nawait\nrepeat");
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        PipeReader pipe = queue.AsPipeReader();
        for (int frame = 0; frame < frames; frame++)
        {
            ReadResult read = await ReadAtLeastAsync(pipe, Frame);
            CaseContext.Require(read.Buffer.Length == Frame, $"frame {frame} has {read.Buffer.Length} of {Frame} bytes");
            await CaseContext.Until(() => rig.InTimeline.Outstanding == Depth, "every slot is posted while the parser holds a whole frame");
            CaseContext.Require(queue.Statistics.Leases == 2, $"{queue.Statistics.Leases} of the buffers are the transfers' own, not two");
            RequireTransfers(read.Buffer, frame * Transfers, Transfers);
            pipe.AdvanceTo(read.Buffer.End);
            CaseContext.Require(queue.Statistics.Leases == 0, $"{queue.Statistics.Leases} leases are out after the frame was consumed");
            rig.Gadget.Wake();
        }

        await pipe.CompleteAsync();
        CaseContext.Figure($"{frames} frames of {Frame} bytes through {(Depth + 2) * Rig.BufferLength} bytes of buffers, {Depth} of {Depth} posted with each in hand");
    }

    private static async Task PipeUnplug(CaseContext context)
    {
        const int Transfers = 5;
        await using Rig rig = await Rig.GadgetAsync($"in replies\ntask\nwrite replies {Length} {Transfers}\nunbind");
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        PipeReader pipe = queue.AsPipeReader();
        ReadResult read = await ReadAtLeastAsync(pipe, 1_000_000);
        CaseContext.Figure($"{read.Buffer.Length} bytes, completed: {read.IsCompleted}");
        CaseContext.Require(read.IsCompleted && read.Buffer.Length == Transfers * Length, $"the pipe ended with {read.Buffer.Length} bytes, completed: {read.IsCompleted}");
        RequireTransfers(read.Buffer, 0, Transfers);
        await pipe.CompleteAsync();
        _ = context;
    }

    private static async Task Bytes(CaseContext context)
    {
        const int Transfers = 100;
        await using Rig rig = await Rig.GadgetAsync($"in replies\ntask\nwrite replies 0\nwrite replies {Length}\nwrite replies 0\nwrite replies 0\nrepeat {Transfers}\nunbind");
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        await using Stream stream = queue.AsStream();
        byte[] transfer = new byte[Length];
        for (int number = 0; number < Transfers; number++)
        {
            if (number % 2 == 0)
            {
                await stream.ReadExactlyAsync(transfer);
            }
            else
            {
                Thread reader = new(() => stream.ReadExactly(transfer)) { IsBackground = true };
                reader.Start();
                CaseContext.Require(reader.Join(CaseContext.Patience), $"the blocking read of transfer {number} does not end");
            }

            // The zero-length packets have numbers, too.
            CaseContext.Require(SequencedPayload.FirstDifference(transfer, (number * 4) + 1) < 0, $"the bytes of transfer {number} are not the ones the device sent");
        }

        int end = await stream.ReadAsync(transfer);
        CaseContext.Figure($"{Transfers * Length} bytes over {queue.Statistics.Transfers} transfers, then {end}");
        CaseContext.Require(end == 0 && queue.Statistics.Transfers >= 4 * Transfers, $"a read answers {end} after {queue.Statistics.Transfers} transfers");
        _ = context;
    }

    private static async Task Messages(CaseContext context)
    {
        const int Multiple = 2 * Rig.BufferLength;
        const int Long = 40_000;
        string message = $"write replies {Length}\nwrite replies {Multiple}\nwrite replies 0\nwrite replies 0\nwrite replies {Long}\nwrite replies {Long}\n";
        int rounds = context.Size(100, 10);
        await using Rig rig = await Rig.GadgetAsync($"in replies\ntask\n{message}repeat {rounds}\nawait\nwrite replies 100");
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        ArrayBufferWriter<byte> writer = new();
        for (int sequence = 0; sequence < rounds * 6; sequence += 6)
        {
            await RequireMessageAsync(queue, writer, sequence, Length, transfers: 1);
            await RequireMessageAsync(queue, writer, sequence + 1, Multiple, transfers: 3);
            await RequireMessageAsync(queue, writer, sequence + 3, 0, transfers: 1);
            await RequireMessageAsync(queue, writer, sequence + 4, Long, transfers: 3);

            // Two of its three transfers fit.
            writer.ResetWrittenCount();
            BulkInException tooLong = await FaultOfAsync(queue.ReadMessageAsync(writer, Multiple, CaseContext.Patience).AsTask());
            CaseContext.Require(tooLong.Error == BulkInError.MessageTooLong && writer.WrittenCount == Multiple, $"{tooLong.Error} after {writer.WrittenCount} bytes");
            BulkInMessage rest = await queue.ReadMessageAsync(writer, long.MaxValue, CaseContext.Patience);
            CaseContext.Require(rest is { IsComplete: true, Length: Long - Multiple } && SequencedPayload.FirstDifference(writer.WrittenSpan, sequence + 5) < 0, $"the rest of the message above the limit is {rest}");
        }

        writer.ResetWrittenCount();
        BulkInMessage nothing = await queue.ReadMessageAsync(writer, 1000, TimeSpan.FromMilliseconds(50));
        CaseContext.Require(nothing is { Status: BulkInStatus.TimedOut, Transfers: 0 }, $"a silent device's message is {nothing}");
        rig.Gadget.Wake();
        await RequireMessageAsync(queue, writer, rounds * 6, 100, transfers: 1);
        CaseContext.Figure($"{rounds} times {Length}, {Multiple}, 0 and {Long} bytes, one above the limit, one after a timeout");
    }

    private static async Task Fault(CaseContext context)
    {
        string data = string.Concat(Enumerable.Repeat("data 4000\n", 3));
        await using Rig rig = Rig.OnVirtual(context, $"on 0x84\n{data}fail stall\n{data}expect 1\n{data}fail stall\n{data}expect 1\n{data}fail stall\n{data}expect 1\n{data}fail stall\n{data}");
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        List<long> numbers = [];

        // Each consumer gets three transfers, the stall, and three behind it.
        RequireStall(await EnumerateAsync(queue, int.MaxValue, numbers), numbers, 3);
        CaseContext.Require(await EnumerateAsync(queue, 3, numbers) is null, "the second enumeration met a fault");
        await NextAsync(rig);

        PipeReader pipe = queue.AsPipeReader();
        ReadResult read = await ReadAtLeastAsync(pipe, 3 * Length);
        Number(read.Buffer, numbers);
        pipe.AdvanceTo(read.Buffer.End);
        RequireStall(await FaultOfAsync(pipe.ReadAsync().AsTask()), numbers, 9);
        read = await ReadAtLeastAsync(pipe, 3 * Length);
        Number(read.Buffer, numbers);
        pipe.AdvanceTo(read.Buffer.End);
        await pipe.CompleteAsync();
        await NextAsync(rig);

        await using (Stream stream = queue.AsStream())
        {
            byte[] three = new byte[3 * Length];
            await stream.ReadExactlyAsync(three);
            Number(new ReadOnlySequence<byte>(three), numbers);
            RequireStall(await FaultOfAsync(stream.ReadExactlyAsync(three).AsTask()), numbers, 15);
            await stream.ReadExactlyAsync(three);
            Number(new ReadOnlySequence<byte>(three), numbers);
        }

        await NextAsync(rig);
        await using (BulkInPump pump = queue.StartPump())
        {
            await TakeAsync(pump, 3, numbers);
            RequireStall(await FaultOfAsync(pump.Reader.ReadAsync().AsTask()), numbers, 21);
            await TakeAsync(pump, 3, numbers);
        }

        CaseContext.Figure($"{numbers.Count} transfers, {queue.Statistics.Faults} faults, {queue.Statistics.Recoveries} recoveries");
        CaseContext.Require(numbers.SequenceEqual(Enumerable.Range(0, 24).Select(number => (long)number)), $"the transfers are {string.Join(" ", numbers)}");
    }

    private static async Task Handover(CaseContext context)
    {
        const int Each = 10;
        await using Rig rig = await Rig.GadgetAsync($"in replies\ntask\nwrite replies {Length} {4 * Each}");
        await using BulkInQueue queue = rig.OpenQueue(Depth);
        List<long> numbers = [];
        byte[] buffer = new byte[Rig.BufferLength];
        while (numbers.Count < Each)
        {
            BulkInResult result = await queue.RecvAsync(buffer, CaseContext.Patience);
            numbers.Add(SequencedPayload.Read(buffer.AsSpan(0, result.Length)));
        }

        await using (BulkInPump pump = queue.StartPump(Each))
        {
            string refused = "";
            try
            {
                _ = queue.AsPipeReader();
            }
            catch (InvalidOperationException exception)
            {
                refused = exception.Message;
            }

            CaseContext.Require(refused.Contains("pump", StringComparison.Ordinal), $"a pipe beside a pump: '{refused}'");
            await pump.StopAsync();
            await foreach (BulkInLease packet in pump.Reader.ReadAllAsync())
            {
                using (packet)
                {
                    numbers.Add(SequencedPayload.Read(packet.Span));
                }
            }
        }

        int pumped = numbers.Count - Each;
        PipeReader pipe = queue.AsPipeReader();
        ReadResult read = await ReadAtLeastAsync(pipe, Each * Length);
        int whole = (int)(read.Buffer.Length / Length);
        Number(read.Buffer, numbers);
        pipe.AdvanceTo(read.Buffer.End);
        await pipe.CompleteAsync();
        CaseContext.Require(await EnumerateAsync(queue, (4 * Each) - numbers.Count, numbers) is null, "the enumeration met a fault");
        CaseContext.Figure($"{Each} by RecvAsync, {pumped} by the pump, {whole} by the pipe, {(4 * Each) - Each - pumped - whole} by the enumeration");
        CaseContext.Require(numbers.SequenceEqual(Enumerable.Range(0, 4 * Each).Select(number => (long)number)), $"the transfers are {string.Join(" ", numbers)}");
        _ = context;
    }

    private static async Task<ReadResult> ReadAtLeastAsync(PipeReader pipe, int length)
    {
        Task<ReadResult> read = pipe.ReadAtLeastAsync(length).AsTask();
        await CaseContext.Within(read, $"a pipe of at least {length} bytes");
        return await read;
    }

    private static void RequireTransfers(in ReadOnlySequence<byte> bytes, int first, int count)
    {
        byte[] transfer = new byte[Length];
        for (int index = 0; index < count; index++)
        {
            bytes.Slice(index * Length, Length).CopyTo(transfer);
            CaseContext.Require(SequencedPayload.FirstDifference(transfer, first + index) < 0, $"the bytes of transfer {first + index} carry the number {SequencedPayload.Read(transfer)}");
        }
    }

    private static void Number(in ReadOnlySequence<byte> bytes, List<long> numbers)
    {
        byte[] transfer = new byte[Length];
        for (long offset = 0; offset < bytes.Length; offset += Length)
        {
            bytes.Slice(offset, Length).CopyTo(transfer);
            numbers.Add(SequencedPayload.Read(transfer));
        }
    }

    /// <returns>The fault that ended it, or null when it had so many packets.</returns>
    private static async Task<BulkInException?> EnumerateAsync(BulkInQueue queue, int packets, List<long> numbers)
    {
        int taken = 0;
        using CancellationTokenSource patience = new(CaseContext.Patience);
        try
        {
            await foreach (BulkInLease packet in queue.ReadAllAsync(patience.Token))
            {
                numbers.Add(SequencedPayload.Read(packet.Span));
                if (++taken == packets)
                {
                    return null;
                }
            }
        }
        catch (BulkInException fault)
        {
            return fault;
        }

        throw new CaseFailedException($"the enumeration ended after {taken} packets");
    }

    private static async Task TakeAsync(BulkInPump pump, int packets, List<long> numbers)
    {
        for (int index = 0; index < packets; index++)
        {
            using BulkInLease packet = await pump.Reader.ReadAsync();
            numbers.Add(SequencedPayload.Read(packet.Span));
        }
    }

    /// <summary>Lets the device's script go on.</summary>
    private static Task<int> NextAsync(Rig rig) => rig.Host.WriteAsync(rig.Out, new byte[8], CaseContext.Patience);

    private static void RequireStall(BulkInException? fault, List<long> numbers, int after) =>
        CaseContext.Require(fault?.Error == BulkInError.Stall && numbers.Count == after, $"{fault?.Error} after {numbers.Count} transfers, where a stall belongs after {after}");

    private static async Task RequireMessageAsync(BulkInQueue queue, ArrayBufferWriter<byte> writer, int sequence, int length, int transfers)
    {
        writer.ResetWrittenCount();
        BulkInMessage message = await queue.ReadMessageAsync(writer, long.MaxValue, CaseContext.Patience);
        CaseContext.Require(message.IsComplete && message.Length == length && message.Transfers == transfers, $"message {sequence} of {length} bytes in {transfers} transfers is {message}");
        CaseContext.Require(SequencedPayload.FirstDifference(writer.WrittenSpan, sequence) < 0, $"message {sequence} is not the one the device sent");
    }

    private static async Task<BulkInException> FaultOfAsync(Task call)
    {
        try
        {
            await CaseContext.Within(call, "a call that meets a fault");
        }
        catch (BulkInException fault)
        {
            return fault;
        }

        throw new CaseFailedException("no fault was thrown");
    }
}
