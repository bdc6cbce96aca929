using System.Globalization;
using System.Runtime.InteropServices;
using BulkIn.Backends;

namespace BulkIn.Testing;

// How completions reach the queue, one at a time and in order. Members whose comment says so are called under _sync.
public sealed partial class SimulatedEndpoint
{
    private void Report()
    {
        if (_eventThread is null)
        {
            ReportOnThisThread();
        }
        else
        {
            _eventThread.Wake();
        }
    }

    // Reports what is ready, in order, one thread at a time: who finds another thread reporting leaves its completions to that one.
    private void ReportOnThisThread()
    {
        bool isMine = false;
        try
        {
            while (true)
            {
                Ended ended;
                Action<SimulatedCompletion>? completing = Hooks.Completing;
                lock (_sync)
                {
                    if (_isReporting && !isMine)
                    {
                        return;
                    }

                    if (!_ready.TryDequeue(out ended))
                    {
                        _isReporting = false;
                        isMine = false;
                        return;
                    }

                    _isReporting = true;
                    isMine = true;
                    if (completing is null)
                    {
                        HandBack(ended);
                    }
                }

                SimulatedCompletion seen = new(ended.Transfer.Slot, ended.Submission, ended.Status, ended.Length);
                if (completing is not null)
                {
                    completing(seen);
                    lock (_sync)
                    {
                        HandBack(ended);
                    }
                }

                ended.Transfer.Completion.Complete(ended.Status, ended.Length, ended.NativeStatus);
                Hooks.Completed?.Invoke(seen);
            }
        }
        finally
        {
            // Only after an exception from a hook or a completion: the next caller goes on with what is left.
            if (isMine)
            {
                lock (_sync)
                {
                    _isReporting = false;
                }
            }
        }
    }

    // Under _sync. The buffer is the queue's again from here on.
    private void HandBack(in Ended ended)
    {
        SimulatedTransfer transfer = ended.Transfer;
        SimulatedBuffer? own = transfer.Buffer as SimulatedBuffer;
        if (Options.ChecksBuffers)
        {
            int written = transfer.Bytes[transfer.Filled..].IndexOfAnyExcept(SimulatedBuffer.Posted);
            if (written >= 0)
            {
                string which = own is null ? "the buffer" : string.Create(CultureInfo.InvariantCulture, $"buffer {own.Number}");
                _ = Accuse($"Write to byte {transfer.Filled + written} of {which} while {Describe(transfer)} was posted with it.");
            }

            if (own is not null && !own.GuardsHold)
            {
                _ = Accuse($"Write outside of buffer {own.Number}, posted with {Describe(transfer)}.");
            }
        }

        if (own is not null)
        {
            own.Owner = null;
        }

        transfer.Buffer = null;
        transfer.Phase = TransferPhase.Idle;
        _completions++;
        Record(SimulatedEventKind.Completed, transfer, ended.Length, ended.Status);
    }

    // Under _sync.
    private void ReleaseHeld()
    {
        foreach (Ended ended in _held)
        {
            _ready.Enqueue(ended);
        }

        _held.Clear();
    }

    // Under _sync.
    private void ReleaseHeld(int[] order)
    {
        if (Array.Exists(order, i => i < 0 || i >= _held.Count) || order.Distinct().Count() != order.Length)
        {
            throw new ArgumentException($"{_held.Count} completions are held: the order must name each of 0 to {_held.Count - 1} at most once.", nameof(order));
        }

        foreach (int index in order)
        {
            _ready.Enqueue(_held[index]);
        }

        foreach (int index in order.OrderDescending())
        {
            _held.RemoveAt(index);
        }
    }

    /// <summary>A transfer that left the bus, until its completion is reported. The submission is kept because the transfer may be posted again meanwhile.</summary>
    [StructLayout(LayoutKind.Auto)]
    private readonly struct Ended(SimulatedTransfer transfer, TransferStatus status, int length, int nativeStatus)
    {
        internal readonly SimulatedTransfer Transfer = transfer;
        internal readonly long Submission = transfer.Submission;
        internal readonly TransferStatus Status = status;
        internal readonly int Length = length;
        internal readonly int NativeStatus = nativeStatus;
    }

    /// <summary>The simulated event thread: reports completions until stopped.</summary>
    private sealed class EventThread
    {
        private readonly SimulatedEndpoint _endpoint;
        private readonly Thread _thread;

        // A monitor, because it needs no disposal: a late call of the queue may still wake a thread that ended.
        private readonly object _door = new();
        private bool _hasWork;
        private bool _isStopping;

        internal EventThread(SimulatedEndpoint endpoint)
        {
            _endpoint = endpoint;
            _thread = new Thread(Run) { IsBackground = true, Name = "simulated event thread" };
            _thread.Start();
        }

        internal void Wake()
        {
            lock (_door)
            {
                _hasWork = true;
                Monitor.Pulse(_door);
            }
        }

        internal void Stop()
        {
            lock (_door)
            {
                _isStopping = true;
                Monitor.Pulse(_door);
            }

            if (Environment.CurrentManagedThreadId != _thread.ManagedThreadId && !_thread.Join(TimeSpan.FromSeconds(30)))
            {
                throw new TimeoutException("The simulated event thread did not end within 30 s: a hook or a completion blocks it.");
            }
        }

        private bool WaitForWork()
        {
            lock (_door)
            {
                while (!_hasWork && !_isStopping)
                {
                    Monitor.Wait(_door);
                }

                bool hadWork = _hasWork;
                _hasWork = false;
                return hadWork;
            }
        }

        private void Run()
        {
            while (WaitForWork())
            {
                try
                {
                    _endpoint.ReportOnThisThread();
                }
#pragma warning disable CA1031 // Whatever a hook or a completion throws here must fail the test, not end the process.
                catch (Exception failure)
#pragma warning restore CA1031
                {
                    lock (_endpoint._sync)
                    {
                        _endpoint._hookFailures.Add(failure);
                    }

                    Wake();
                }
            }
        }
    }
}
