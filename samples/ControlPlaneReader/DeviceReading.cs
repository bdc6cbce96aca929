using System.Globalization;
using BulkIn;

namespace ControlPlaneReader;

/// <summary>What to read, as the command line says it.</summary>
internal sealed record DeviceRequest(ushort VendorId, ushort ProductId, string? Serial, int? Interface, byte Endpoint, int Depth, int Buffer);

/// <summary><c>--device</c>: reads a real device until it is unplugged or Ctrl-C.</summary>
internal static class DeviceReading
{
    public static async Task<int> RunAsync(DeviceRequest request, IReport report, TextWriter notes, CancellationToken stop)
    {
        await using LibUsbDevice device = Open(request);
        await using BulkInQueue queue = OpenQueue(device, request);
        await notes.WriteLineAsync(string.Create(
            CultureInfo.InvariantCulture,
            $"reading endpoint 0x{request.Endpoint:x2} of {device.Info}, depth {queue.Depth}, buffers of {queue.BufferLength} bytes; Ctrl-C stops"));

        var reading = new ControlPlane(queue, report);
        BulkInException? failure = null;
        ReadingEnd end = ReadingEnd.Failed;
        try
        {
            end = await reading.RunAsync(stop);
        }
        catch (BulkInException fault)
        {
            failure = fault;
        }

        report.OnSummary(new Summary
        {
            Source = string.Create(CultureInfo.InvariantCulture, $"{device.Info}, endpoint 0x{request.Endpoint:x2}"),
            End = end,
            Frames = reading.Frames,
            Faults = reading.Faults,
            Depth = queue.Depth,
            BufferLength = queue.BufferLength,
            Elapsed = reading.Elapsed,
            Queue = queue.Statistics,
        });
        report.Flush();
        return end switch
        {
            ReadingEnd.Unplugged => throw new ProblemException(ExitCode.Unplugged, $"{device.Info} was unplugged."),
            ReadingEnd.Failed => throw new ProblemException(ExitCode.Failed, Problem.FirstLine(failure!.Message)),
            _ => ExitCode.Done,
        };
    }

    private static LibUsbDevice Open(DeviceRequest request)
    {
        try
        {
            return LibUsbDevice.Open(request.VendorId, request.ProductId, request.Serial);
        }
        catch (Exception exception) when (exception is BulkInException or DllNotFoundException)
        {
            throw Problem.OfDevice(exception);
        }
    }

    private static BulkInQueue OpenQueue(LibUsbDevice device, DeviceRequest request)
    {
        int number = Choose(device.Info, request);
        try
        {
            device.ClaimInterface(number);
            return device.OpenBulkInQueue(request.Endpoint, request.Depth, request.Buffer);
        }
        catch (Exception exception) when (exception is BulkInException or ArgumentException or InvalidOperationException)
        {
            throw Problem.OfDevice(exception);
        }
    }

    /// <summary>The interface to claim: the one asked for, or the one whose first setting has the endpoint.</summary>
    private static int Choose(LibUsbDeviceInfo info, DeviceRequest request)
    {
        LibUsbInterfaceInfo? found = info.Interfaces.FirstOrDefault(candidate =>
            candidate.AlternateSetting == 0
            && (request.Interface is null || candidate.Number == request.Interface)
            && candidate.Endpoints.Any(endpoint => endpoint.Address == request.Endpoint));
        if (found is not null)
        {
            return found.Number;
        }

        string[] present =
        [
            .. info.Interfaces
                .Where(static candidate => candidate.AlternateSetting == 0)
                .SelectMany(static candidate => candidate.Endpoints.Where(static endpoint => endpoint.IsIn), static (candidate, endpoint) => $"0x{endpoint.Address:x2} on interface {candidate.Number}"),
        ];
        string where = request.Interface is { } wanted ? string.Create(CultureInfo.InvariantCulture, $" on interface {wanted}") : "";
        throw new ProblemException(
            ExitCode.Device,
            $"{info} has no endpoint 0x{request.Endpoint:x2}{where}; its IN endpoints are {(present.Length == 0 ? "none" : string.Join(", ", present))}.");
    }
}
