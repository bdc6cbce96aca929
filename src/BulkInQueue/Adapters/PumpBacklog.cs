using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace BulkIn.Adapters;

/// <summary>
/// What a pump received and nobody read: packets up to a capacity, and the faults between them, which no mode drops.
/// </summary>
/// <remarks>
/// <para>An unbounded channel of tokens tells readers that there is something and when there will be nothing more; the items themselves are under the gate, where
/// the pump may drop from either end. Every item has a token, written after it; a token may have lost its item to a drop. So a reader that takes a token finds an item or tries the next
/// token, and no item is ever left without one.</para>
/// <para>The pump's thread blocks on the gate, never on a task: a starved thread pool cannot hold it up.</para>
/// </remarks>
[SuppressMessage("Usage", "MA0158", Justification = "The pump's thread waits on the gate, which only a monitor can.")]
internal sealed class PumpBacklog(int capacity, BulkInPumpFullMode fullMode) : ChannelReader<BulkInLease>
{
    // Guards all that is here but the tokens and the counts, and is what the pump waits on for room. Packets are dropped under it, which takes the pool's gate: never the other way round.
    private readonly object _gate = new();
    private readonly LinkedList<Item> _items = new();
    private readonly LinkedList<Item> _spare = new();
    private readonly Channel<byte> _tokens = Channel.CreateUnbounded<byte>(new UnboundedChannelOptions { SingleWriter = false });
    private int _packets;
    private long _dropped;
    private long _droppedBytes;
    private bool _stopping;

    public override bool CanCount => true;

    /// <summary>Packets that wait.</summary>
    public override int Count
    {
        get
        {
            lock (_gate)
            {
                return _packets;
            }
        }
    }

    public override Task Completion => _tokens.Reader.Completion;

    public long Dropped => Interlocked.Read(ref _dropped);

    public long DroppedBytes => Interlocked.Read(ref _droppedBytes);

    /// <summary>Takes the packet over. Blocks in <see cref="BulkInPumpFullMode.Wait"/> until there is room or <see cref="Stop"/> was called.</summary>
    /// <returns>False in <see cref="BulkInPumpFullMode.Fault"/> when there was no room: the packet was taken all the same.</returns>
    public bool Add(in BulkInLease packet)
    {
        bool hadRoom;
        lock (_gate)
        {
            while (fullMode == BulkInPumpFullMode.Wait && _packets >= capacity && !_stopping)
            {
                _ = Monitor.Wait(_gate);
            }

            hadRoom = _packets < capacity;
            if (!hadRoom && fullMode == BulkInPumpFullMode.DropWrite)
            {
                DropUnsynchronized(packet);
                return true;
            }

            if (!hadRoom && fullMode is BulkInPumpFullMode.DropOldest or BulkInPumpFullMode.DropNewest)
            {
                DropOneUnsynchronized(fullMode == BulkInPumpFullMode.DropOldest);
            }

            EnqueueUnsynchronized(new Item(packet, Fault: null));
            _packets++;
        }

        _ = _tokens.Writer.TryWrite(0);
        return hadRoom || fullMode != BulkInPumpFullMode.Fault;
    }

    /// <summary>A gap. Of several without a packet between them the last is kept, because it tells what comes next.</summary>
    public void Add(BulkInException fault)
    {
        lock (_gate)
        {
            if (_items.Last is { Value.Fault: not null } last)
            {
                last.Value = new Item(default, fault);
                return;
            }

            EnqueueUnsynchronized(new Item(default, fault));
        }

        _ = _tokens.Writer.TryWrite(0);
    }

    /// <summary>The pump's wait for room ends, now and from now on.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            _stopping = true;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Nothing more will come.</summary>
    public void Complete(Exception? failure) => _ = _tokens.Writer.TryComplete(failure);

    /// <summary>After <see cref="Complete"/>: drops what nobody read, faults too.</summary>
    /// <returns>The bytes dropped by this call.</returns>
    public long Clear()
    {
        long dropped = 0;
        lock (_gate)
        {
            foreach (Item item in _items)
            {
                if (item.Fault is null)
                {
                    dropped += item.Packet.Length;
                    DropUnsynchronized(item.Packet);
                }
            }

            _items.Clear();
            _packets = 0;
        }

        while (_tokens.Reader.TryRead(out _))
        {
            // A token without an item.
        }

        return dropped;
    }

    /// <exception cref="BulkInException">A fault at its position, once.</exception>
    public override bool TryRead(out BulkInLease item)
    {
        while (_tokens.Reader.TryRead(out _))
        {
            BulkInException fault;
            lock (_gate)
            {
                if (_items.First is not { } first)
                {
                    continue;
                }

                item = first.Value.Packet;
                if (first.Value.Fault is null)
                {
                    _packets--;
                    Monitor.PulseAll(_gate);
                    RecycleUnsynchronized(first);
                    return true;
                }

                fault = first.Value.Fault;
                RecycleUnsynchronized(first);
            }

            throw fault;
        }

        item = default;
        return false;
    }

    /// <inheritdoc/>
    /// <exception cref="BulkInException">A fault at its position, once.</exception>
    /// <exception cref="ChannelClosedException">Nothing more will come; as with the framework's channels its inner exception is why, unless it is the proper end.</exception>
    public override ValueTask<BulkInLease> ReadAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<BulkInLease>(cancellationToken);
        }

        try
        {
            if (TryRead(out BulkInLease packet))
            {
                return new ValueTask<BulkInLease>(packet);
            }
        }
        catch (BulkInException fault)
        {
            return ValueTask.FromException<BulkInLease>(fault);
        }

        return WaitAndReadAsync(cancellationToken);
    }

    public override ValueTask<bool> WaitToReadAsync(CancellationToken cancellationToken = default) => _tokens.Reader.WaitToReadAsync(cancellationToken);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<BulkInLease> WaitAndReadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            bool more;
            try
            {
                more = await WaitToReadAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (Exception end) when (end is not OperationCanceledException)
            {
                throw new ChannelClosedException(end);
            }

            if (!more)
            {
                throw new ChannelClosedException();
            }

            if (TryRead(out BulkInLease packet))
            {
                return packet;
            }
        }
    }

    private void EnqueueUnsynchronized(in Item item)
    {
        if (_spare.First is { } node)
        {
            _spare.RemoveFirst();
            node.Value = item;
            _items.AddLast(node);
        }
        else
        {
            _ = _items.AddLast(item);
        }
    }

    private void RecycleUnsynchronized(LinkedListNode<Item> node)
    {
        _items.Remove(node);
        node.Value = default;
        _spare.AddLast(node);
    }

    /// <summary>Drops the packet at an end; two faults that become neighbours by it become one.</summary>
    private void DropOneUnsynchronized(bool oldest)
    {
        LinkedListNode<Item>? node = oldest ? _items.First : _items.Last;
        while (node is { Value.Fault: not null })
        {
            node = oldest ? node.Next : node.Previous;
        }

        Debug.Assert(node is not null, "A full backlog has packets.");
        if (node!.Previous is { Value.Fault: not null } before && node.Next is { Value.Fault: not null })
        {
            RecycleUnsynchronized(before);
        }

        DropUnsynchronized(node.Value.Packet);
        RecycleUnsynchronized(node);
        _packets--;
    }

    private void DropUnsynchronized(in BulkInLease packet)
    {
        _ = Interlocked.Increment(ref _dropped);
        _ = Interlocked.Add(ref _droppedBytes, packet.Length);
        packet.Dispose();
    }

    private readonly record struct Item(BulkInLease Packet, BulkInException? Fault);
}
