using BulkIn.DeviceScript;

namespace BulkIn.Gadgets;

/// <summary>A FunctionFS device that does what a <see cref="GadgetScript"/> says.</summary>
public sealed class ScriptedGadget : IDisposable
{
    private static readonly TimeSpan EnableTime = TimeSpan.FromSeconds(30);

    private readonly List<GadgetTask> _tasks = [];

    /// <summary>Plugs the device in and starts its tasks.</summary>
    /// <param name="script">What it does.</param>
    public ScriptedGadget(GadgetScript script)
    {
        ArgumentNullException.ThrowIfNull(script);
        Device = new FunctionFsDevice(script.Endpoints);
        foreach (IReadOnlyList<GadgetStep> program in script.Tasks)
        {
            _tasks.Add(new GadgetTask(Device, program));
        }
    }

    /// <summary>The device.</summary>
    public FunctionFsDevice Device { get; }

    /// <summary>The exception that ended a task, or null.</summary>
    public Exception? Failure => _tasks.Select(task => task.Failure).FirstOrDefault(failure => failure is not null);

    /// <summary>Lets every task that waits in an <c>await</c>, or comes to its next one, go on.</summary>
    public void Wake() => _tasks.ForEach(task => task.Wake());

    /// <summary>Waits until every task has run its last statement.</summary>
    /// <param name="timeout">How long at most.</param>
    /// <returns>False when one has not.</returns>
    public bool WaitForTasks(TimeSpan timeout) => _tasks.TrueForAll(task => task.Join(timeout));

    /// <summary>Transfers the tasks have sent so far, each counted once the host has taken it.</summary>
    public long Written => _tasks.Sum(task => task.Written);

    /// <summary>Transfers the tasks have taken from the host so far.</summary>
    public long Received => _tasks.Sum(task => task.Received);

    /// <summary>Unplugs the device and ends its tasks.</summary>
    public void Dispose()
    {
        Device.Dispose();
        _tasks.ForEach(task => task.Wake());
        _tasks.ForEach(task => task.Join(EnableTime));
        _tasks.ForEach(task => task.Dispose());
    }

    private sealed class GadgetTask : IDisposable
    {
        private readonly FunctionFsDevice _device;
        private readonly IReadOnlyList<GadgetStep> _program;
        private readonly Thread _thread;
        private readonly SemaphoreSlim _wake = new(0);
        private readonly byte[] _buffer = new byte[GadgetScript.LongestTransfer];
        private readonly Dictionary<GadgetEndpoint, long> _sequences = [];
        private long _written;
        private long _received;

        public GadgetTask(FunctionFsDevice device, IReadOnlyList<GadgetStep> program)
        {
            _device = device;
            _program = program;
            _thread = new Thread(Run) { IsBackground = true, Name = "gadget task" };
            _thread.Start();
        }

        public Exception? Failure { get; private set; }

        public long Written => Interlocked.Read(ref _written);

        public long Received => Interlocked.Read(ref _received);

        public void Wake() => _wake.Release();

        public bool Join(TimeSpan timeout) => _thread.Join(timeout);

        public void Dispose() => _wake.Dispose();

#pragma warning disable CA1031 // Whatever ends a device's thread is kept for the one who asks; there is nobody above it.
        private void Run()
        {
            try
            {
                int rounds = 0;
                for (int position = 0; position < _program.Count && !_device.IsDisposed; position++)
                {
                    if (_program[position] is GadgetStep.Repeat repeat)
                    {
                        rounds++;
                        position = repeat.Count == 0 || rounds < repeat.Count ? -1 : position;
                    }
                    else
                    {
                        Run(_program[position]);
                    }
                }
            }
            catch (Exception exception) when (_device.IsDisposed)
            {
                _ = exception;
            }
            catch (Exception exception)
            {
                Failure = exception;
            }
        }
#pragma warning restore CA1031

        private void Run(GadgetStep step)
        {
            switch (step)
            {
                case GadgetStep.Read read:
                    for (int index = 0; index < read.Count && !_device.IsDisposed; index++)
                    {
                        WhileEnabled(() => _ = read.Endpoint.Read(_buffer));
                        Interlocked.Increment(ref _received);
                    }

                    break;
                case GadgetStep.Write write:
                    for (int index = 0; index < write.Count && !_device.IsDisposed; index++)
                    {
                        Send(write);
                        Sleep(write.Interval);
                    }

                    break;
                case GadgetStep.Pause pause:
                    Sleep(pause.Time);
                    break;
                case GadgetStep.Await:
                    _wake.Wait();
                    break;
                case GadgetStep.Halt halt:
                    SpinWait.SpinUntil(() => _device.IsDisposed || halt.Endpoint.TryHalt());
                    break;
                case GadgetStep.Unbind:
                    _device.Unbind();
                    break;
                case GadgetStep.Bind:
                    _device.Bind();
                    _device.WaitUntilEnabled(EnableTime);
                    break;
                default:
                    throw new InvalidOperationException($"{step} is no statement of a task.");
            }
        }

        // The device's own silence, which is what the script is about; nothing else waits for it.
        private static void Sleep(TimeSpan time)
        {
            if (time > TimeSpan.Zero)
            {
                Thread.Sleep(time);
            }
        }

        private void Send(GadgetStep.Write write)
        {
            long sequence = _sequences.GetValueOrDefault(write.Endpoint);
            _sequences[write.Endpoint] = sequence + 1;
            int length = write.Random ? SequencedPayload.Length(sequence, write.Length) : write.Length;
            SequencedPayload.Write(_buffer.AsSpan(0, length), sequence);
            WhileEnabled(() => _ = write.Endpoint.Write(_buffer.AsSpan(0, length)));
            Interlocked.Increment(ref _written);
        }

        // A transfer that the host's reset or an unbinding took away is not repeated: whether it had arrived, only the host knows.
        private void WhileEnabled(Action transfer)
        {
            if (!_device.WaitUntilEnabled(EnableTime))
            {
                throw new TimeoutException("The host did not configure the device.");
            }

            try
            {
                transfer();
            }
            catch (GadgetException exception) when (exception.IsDisabled)
            {
                _device.WaitUntilEnabled(EnableTime);
            }
        }
    }
}
