using BulkIn.Backends;

namespace BulkIn.Testing;

/// <summary>One pass over a whole capture: which IN endpoints it holds, and what has to be known before the first completion is replayed.</summary>
internal sealed class CaptureScan
{
    // A session has tens of endpoints; a damaged file may name one in every record.
    private const int MaximumEndpoints = 4096;

    private readonly Dictionary<(ushort Bus, byte Device, byte Endpoint), UsbCaptureEndpoint> _endpoints = [];

    private CaptureScan()
    {
    }

    /// <summary>Endpoints with at least one completion, in the order of their first event.</summary>
    public IReadOnlyList<UsbCaptureEndpoint> Endpoints { get; private set; } = [];

    /// <summary>The time of the first event of the capture, whatever its endpoint.</summary>
    public DateTimeOffset Start { get; private set; }

    public static CaptureScan Run(UsbCaptureReader reader)
    {
        var scan = new CaptureScan();
        bool first = true;
        while (reader.Read() is { } captured)
        {
            if (first)
            {
                scan.Start = captured.Timestamp;
                first = false;
            }

            scan.Add(captured);
        }

        scan.Endpoints = [.. scan._endpoints.Values.Where(static endpoint => endpoint.Completions > 0)];
        return scan;
    }

    private void Add(UsbCaptureEvent captured)
    {
        if (!captured.IsIn || captured.TransferType is not (EndpointTransferType.Bulk or EndpointTransferType.Interrupt))
        {
            return;
        }

        (ushort, byte, byte) key = (captured.Bus, captured.Device, captured.Endpoint);
        if (!_endpoints.TryGetValue(key, out UsbCaptureEndpoint? endpoint))
        {
            if (_endpoints.Count == MaximumEndpoints)
            {
                return;
            }

            endpoint = new UsbCaptureEndpoint(captured.Bus, captured.Device, captured.Endpoint, captured.TransferType);
            _endpoints.Add(key, endpoint);
        }

        if (captured.Kind == UsbCaptureEventKind.Submission)
        {
            endpoint.LongestRequest = Math.Max(endpoint.LongestRequest, captured.UrbLength);
        }
        else if (captured.Kind == UsbCaptureEventKind.Completion)
        {
            if (UrbStatus.IsSuccess(captured.Status) || captured.UrbLength > 0)
            {
                endpoint.LastLive = endpoint.Completions;
            }

            endpoint.LongestTransfer = Math.Max(endpoint.LongestTransfer, captured.Data.Length);
            endpoint.Completions++;
        }
    }
}
