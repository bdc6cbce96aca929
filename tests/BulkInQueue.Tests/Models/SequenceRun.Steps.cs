using BulkIn.Backends;
using BulkIn.Testing;
using Xunit;

namespace BulkIn;

// The steps. The model goes first, so that its expectations are there when the queue acts.
internal sealed partial class SequenceRun
{
    private async Task DoAsync(Step step)
    {
        _model.Begin();
        lock (_events)
        {
            _events.Clear();
        }

        switch (step.Kind)
        {
            case StepKind.Recover:
                await SameAsync(_model.Recover(), _queue.RecoverAsync);
                break;
            case StepKind.Pause:
                await SameAsync(_model.Pause(), _queue.PauseAsync);
                break;
            case StepKind.Resume:
                await SameAsync(_model.Resume(), _queue.ResumeAsync);
                break;
            case StepKind.Stop:
                await SameAsync(_model.Stop(), _queue.StopAsync);
                break;
            default:
                _rests.Reset();
                try
                {
                    Do(step);
                }
                finally
                {
                    _rests.Set();
                }

                break;
        }
    }

    private void Do(Step step)
    {
        switch (step.Kind)
        {
            case StepKind.RefuseSubmit:
                RefuseSubmits(step.A % 3, step.Refusal, times: 1);
                break;
            case StepKind.NoMemory:
                RefuseSubmits(step.Skip, BackendStatus.NoMemory, step.Count);
                break;
            case StepKind.ClearHaltFails:
                for (int i = 0; i < step.Count; i++)
                {
                    _modelDevice.AnswerClearHalt(fails: true);
                    _ = _device.ClearHalts.Next(new SimulatedClearHalt { Answer = SimulatedResults.Of(BackendStatus.Pipe) });
                }

                break;
            case StepKind.HaltsAgain:
                _modelDevice.AnswerClearHalt(fails: false);
                _ = _device.ClearHalts.Next(new SimulatedClearHalt { HaltsAgain = true });
                break;
            case StepKind.CancelBrings:
                byte[] late = Bytes(step.Extra);
                _modelDevice.AnswerCancel(step.CompletesFirst, late);
                _ = _device.Cancels.Next(new SimulatedCancel { Outcome = step.CompletesFirst ? CancelOutcome.CompletedFirst : CancelOutcome.Cancelled, Data = late });
                break;
            case StepKind.Restore:
                _modelDevice.Restore();
                _device.Restore();
                break;
            case StepKind.Poll when step.HasDeadToken && !_model.IsPending:
                Same(Outcome.Cancelled, () => Result(_queue.RecvAsync(_destination, System.Threading.Timeout.InfiniteTimeSpan, new CancellationToken(canceled: true)), _destination));
                break;
            case StepKind.Poll:
                Poll(step.Room, step.Way);
                break;
            case StepKind.Begin when !_model.IsPending:
                Begin(step);
                break;
            case StepKind.Cancel when _model.IsPending:
                _model.Cancel();
                _cancel!.Cancel();
                break;
            case StepKind.Elapse:
                _model.Elapse(step.Time);
                _clock.Advance(step.Time);
                break;
            case StepKind.Return when _leases.Count > 0:
                Return(step.A % _leases.Count);
                break;
            case StepKind.Discard:
                Outcome dropped = _model.Discard();
                _model.Run();
                Same(dropped, () => Outcome.Discarded(_queue.Discard()));
                break;
            default:
                if (!_modelDevice.IsUnplugged)
                {
                    Happen(step);
                }

                break;
        }
    }

    /// <summary>What a device that is there does.</summary>
    private void Happen(Step step)
    {
        switch (step.Kind)
        {
            case StepKind.Deliver or StepKind.DeliverMarked or StepKind.ZeroLengthPacket:
                byte[] message = Bytes(step.Length);
                bool isMarked = step.Kind != StepKind.Deliver;
                Both(d => d.Deliver(message, isMarked), d => d.Deliver(message, isMarked));
                break;
            case StepKind.OutOfOrder when !_model.IsPending:
                OutOfOrder(step);
                break;
            case StepKind.StallOnce:
                Fail(TransferStatus.Stall, 0);
                break;
            case StepKind.Error:
                Fail(TransferStatus.Error, step.Extra);
                break;
            case StepKind.Overflow:
                Fail(TransferStatus.Overflow, step.Extra);
                break;
            case StepKind.Strange:
                Fail(step.Strange, 0);
                break;
            case StepKind.Halt:
                Both(static d => d.Halt(), static d => d.Stall());
                break;
            case StepKind.CancelUnasked:
                Both(d => d.CancelUnasked(step.Count), d => d.CancelUnasked(step.Count));
                break;
            case StepKind.Reset or StepKind.Sleep:
                Both(d => d.Interrupt(step.Interruption), d => d.Interrupt(step.Interruption));
                break;
            case StepKind.Unplug:
                Both(d => d.Unplug(step.Flavor, step.GraceCalls), d => d.Unplug(step.Flavor, step.GraceCalls));
                break;
            default:
                break;
        }
    }

    private void Both(Action<ReferenceDevice> expected, Action<SimulatedEndpoint> actual)
    {
        expected(_modelDevice);
        _model.Run();
        actual(_device);
    }

    private void Fail(TransferStatus status, int count)
    {
        byte[] bytes = Bytes(count);
        Both(d => d.Fail(status, bytes), d => d.Fail(status, bytes));
    }

    private void RefuseSubmits(int skip, BackendStatus status, int times)
    {
        _modelDevice.RefuseSubmits(skip, status, times);
        _ = _device.Submits.Skip(skip).Next(SimulatedResults.Of(status), times);
    }

    /// <summary>Several transfers end, some of them badly, and their completions are reported in another order.</summary>
    private void OutOfOrder(Step step)
    {
        // Fixed beforehand, because the model goes first.
        Random random = new(step.B);
        List<(byte[] Bytes, bool Fails)> ends = [];
        for (int i = 0; i <= step.A % 6; i++)
        {
            bool fails = random.Next(4) == 0;
            ends.Add((Bytes(fails ? random.Next(2) : 1 + random.Next(20)), fails));
        }

        foreach ((byte[] bytes, bool fails) in ends)
        {
            if (fails)
            {
                _modelDevice.Fail(TransferStatus.Error, bytes);
            }
            else
            {
                _modelDevice.Deliver(bytes, isMarked: false);
            }
        }

        _model.Run();
        _device.Hold();
        foreach ((byte[] bytes, bool fails) in ends)
        {
            if (fails)
            {
                _device.Fail(TransferStatus.Error, bytes);
            }
            else
            {
                _device.Deliver(bytes);
            }
        }

        while (_device.HeldCompletions is > 0 and int held)
        {
            _device.Release(random.Next(held));
        }

        _device.StopHolding();
    }

    private void Poll(int? room, int way)
    {
        Outcome expected = _model.Poll(room);
        _model.Run();
        Same(expected, () => room is not { } count
            ? Lease(_queue.LeaseAsync(TimeSpan.Zero))
            : way switch
            {
                0 => _queue.TryRecv(_destination.AsSpan(0, count), out BulkInResult result) ? Describe(result, _destination) : Outcome.TimedOut,
                1 => Describe(_queue.Recv(_destination.AsSpan(0, count), TimeSpan.Zero), _destination),
                _ => Result(_queue.RecvAsync(_destination.AsMemory(0, count), TimeSpan.Zero), _destination),
            });
    }

    private void Begin(Step step)
    {
        TimeSpan? timeout = step.HasTimeout ? Timeout : null;
        _model.Receive(step.Room, timeout);
        _model.Run();
        _cancel?.Dispose();
        _cancel = new CancellationTokenSource();
        TimeSpan wait = timeout ?? System.Threading.Timeout.InfiniteTimeSpan;

        // Started here, not inside of the task: the receive stands in its place in the sequence.
        if (step.Room is { } room)
        {
            ValueTask<BulkInResult> receive = _queue.RecvAsync(_pendingDestination.AsMemory(0, room), wait, _cancel.Token);
            _pending = EndAsync(async () => Describe(await receive, _pendingDestination));
        }
        else
        {
            ValueTask<BulkInLease> lease = _queue.LeaseAsync(wait, _cancel.Token);
            _pending = EndAsync(async () => Keep(await lease));
        }
    }

    private void Return(int index)
    {
        byte[] expected = _model.Return(index);
        _model.Run();
        BulkInLease lease = _leases[index];
        _leases.RemoveAt(index);
        Assert.Equal(expected, lease.Memory.ToArray());
        lease.Dispose();
        lease.Dispose();
        Assert.Throws<ObjectDisposedException>(() => lease.Memory);
    }

    private byte[] Bytes(int count)
    {
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++)
        {
            bytes[i] = _next++;
        }

        return bytes;
    }
}
