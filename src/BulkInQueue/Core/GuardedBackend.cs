using System.Diagnostics.CodeAnalysis;
using BulkIn.Backends;
using BulkIn.Diagnostics;
using Microsoft.Extensions.Logging;

namespace BulkIn.Core;

/// <summary>
/// A user's transport, held to its contract where a breach would cost more than the call: what is constant is read once, and a question or a disposal that throws leaves a fault
/// to be thrown and the rest to be freed. Submit and cancel are guarded where they are called, without a further hop.
/// </summary>
[SuppressMessage("Design", "CA1031", Justification = "User code behind an interface; see the type.")]
internal sealed class GuardedBackend : IBulkInBackend
{
    private readonly IBulkInBackend _inner;
    private readonly ILogger _logger;
    private int _saidThatIsClosedThrew;

    /// <summary>Reads what is constant; what that throws is the caller's.</summary>
    public GuardedBackend(IBulkInBackend inner, ILogger logger)
    {
        _inner = inner;
        _logger = logger;
        Endpoint = inner.Endpoint;
        Capabilities = inner.Capabilities;
    }

    public BulkInEndpoint Endpoint { get; }

    public BulkInCapabilities Capabilities { get; }

    /// <summary>Looked at on a timer's thread, where an exception would end the process; one proves nothing, and is logged once.</summary>
    public bool IsClosed
    {
        get
        {
            try
            {
                return _inner.IsClosed;
            }
            catch (Exception failure)
            {
                if (Interlocked.Exchange(ref _saidThatIsClosedThrew, 1) == 0)
                {
                    // Not on this thread: the end of a queue looks here, too, and no logger may hold that up.
                    _ = Task.Run(() => _logger.IsClosedThrew(failure, Endpoint.Address));
                }

                return false;
            }
        }
    }

    public TransferBuffer? AllocateBuffer(int length) => _inner.AllocateBuffer(length);

    public IBulkInTransfer CreateTransfer(ITransferCompletion completion) => _inner.CreateTransfer(completion)
        ?? throw new InvalidOperationException($"The backend's {nameof(IBulkInBackend.CreateTransfer)} answered null: it must create a transfer, or throw.");

    public ValueTask<BackendResult> ClearHaltAsync() => _inner.ClearHaltAsync();

    public ValueTask<DevicePresence> ProbeAsync(TimeSpan bound) => _inner.ProbeAsync(bound);

    public string? GetRemedy(BulkInError reported, BackendResult result)
    {
        try
        {
            return _inner.GetRemedy(reported, result);
        }
        catch (Exception)
        {
            return null;
        }
    }

    public void Dispose() => Dispose(_inner);

    /// <summary>Disposes of a part of the backend; what that throws is logged.</summary>
    public void Dispose(IDisposable part)
    {
        try
        {
            part.Dispose();
        }
        catch (Exception failure)
        {
            _logger.DisposalFailed(failure, part.GetType().Name);
        }
    }
}
