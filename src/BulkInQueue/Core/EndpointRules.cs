using System.Globalization;
using BulkIn.Backends;

namespace BulkIn.Core;

/// <summary>What an endpoint and a buffer length must be for a queue.</summary>
internal static class EndpointRules
{
    public static void Check(BulkInEndpoint? endpoint, BulkInQueueOptions options)
    {
        if (endpoint is null)
        {
            throw new ArgumentException("The backend names no endpoint.", nameof(endpoint));
        }

        string name = string.Create(CultureInfo.InvariantCulture, $"Endpoint 0x{endpoint.Address:X2}");
        if (endpoint.Address is < 0x81 or > 0x8F)
        {
            throw new ArgumentException(
                $"{name} is not an IN endpoint: IN addresses are 0x81 to 0x8F{(endpoint.Address is >= 0x01 and <= 0x0F ? string.Create(CultureInfo.InvariantCulture, $" (0x{endpoint.Address | 0x80:X2}?)") : "")}.",
                nameof(endpoint));
        }

        if (endpoint.TransferType is not (EndpointTransferType.Bulk or EndpointTransferType.Interrupt))
        {
            throw new ArgumentException($"{name} is of type {endpoint.TransferType}; only bulk and interrupt endpoints can be queued.", nameof(endpoint));
        }

        if (endpoint.MaxPacketSize <= 0)
        {
            throw new ArgumentException($"{name} has max packet size {endpoint.MaxPacketSize.ToString(CultureInfo.InvariantCulture)}.", nameof(endpoint));
        }

        if (options.BufferLength <= 0)
        {
            throw new ArgumentOutOfRangeException(
                nameof(options),
                options.BufferLength,
                string.Create(CultureInfo.InvariantCulture, $"{nameof(BulkInQueueOptions.BufferLength)} must be a positive multiple of {name}'s max packet size. The next valid length is {endpoint.MaxPacketSize}."));
        }

        int over = options.BufferLength % endpoint.MaxPacketSize;
        if (over != 0)
        {
            long next = (long)options.BufferLength - over + endpoint.MaxPacketSize;
            throw new ArgumentException(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"A buffer of {options.BufferLength} bytes is no multiple of {name}'s max packet size of {endpoint.MaxPacketSize}: a full packet would overflow it. The next valid length is {next}."),
                nameof(options));
        }
    }
}
