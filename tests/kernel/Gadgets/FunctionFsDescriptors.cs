using System.Buffers.Binary;
using System.Text;

namespace BulkIn.Gadgets;

/// <summary>The descriptors and strings that a FunctionFS program writes to ep0 before its gadget can be bound (linux/usb/functionfs.h).</summary>
internal static class FunctionFsDescriptors
{
    private const uint DescriptorsMagicV2 = 3;
    private const uint StringsMagic = 2;

    // Full, high and super speed descriptors follow; control requests for the device come here as well.
    private const uint Flags = 0x01 | 0x02 | 0x04 | 0x40;

    /// <summary>One vendor interface with these endpoints, for each speed.</summary>
    public static byte[] Descriptors(IReadOnlyList<GadgetEndpoint> endpoints)
    {
        byte[] full = Interface(endpoints, bulkPacket: 64, companion: false);
        byte[] high = Interface(endpoints, bulkPacket: 512, companion: false);
        byte[] super = Interface(endpoints, bulkPacket: 1024, companion: true);
        uint plain = 1 + (uint)endpoints.Count;
        uint withCompanions = 1 + (2 * (uint)endpoints.Count);
        byte[] head = new byte[24];
        Span<byte> span = head;
        BinaryPrimitives.WriteUInt32LittleEndian(span, DescriptorsMagicV2);
        BinaryPrimitives.WriteUInt32LittleEndian(span[4..], (uint)(head.Length + full.Length + high.Length + super.Length));
        BinaryPrimitives.WriteUInt32LittleEndian(span[8..], Flags);
        BinaryPrimitives.WriteUInt32LittleEndian(span[12..], plain);
        BinaryPrimitives.WriteUInt32LittleEndian(span[16..], plain);
        BinaryPrimitives.WriteUInt32LittleEndian(span[20..], withCompanions);
        return [.. head, .. full, .. high, .. super];
    }

    /// <summary>The interface's name, in English.</summary>
    public static byte[] Strings(string name)
    {
        byte[] text = Encoding.UTF8.GetBytes(name);
        byte[] head = new byte[18];
        Span<byte> span = head;
        BinaryPrimitives.WriteUInt32LittleEndian(span, StringsMagic);
        BinaryPrimitives.WriteUInt32LittleEndian(span[4..], (uint)(head.Length + text.Length + 1));
        BinaryPrimitives.WriteUInt32LittleEndian(span[8..], 1);
        BinaryPrimitives.WriteUInt32LittleEndian(span[12..], 1);
        BinaryPrimitives.WriteUInt16LittleEndian(span[16..], 0x0409);
        return [.. head, .. text, 0];
    }

    private static byte[] Interface(IReadOnlyList<GadgetEndpoint> endpoints, int bulkPacket, bool companion)
    {
        List<byte> bytes = [9, 4, 0, 0, (byte)endpoints.Count, 0xff, 0, 0, 1];
        int number = 1;
        foreach (GadgetEndpoint endpoint in endpoints)
        {
            // The kernel renumbers endpoints as its controller likes; these addresses only have to differ.
            byte address = (byte)(number++ | (endpoint.IsIn ? 0x80 : 0));
            int packet = endpoint.IsInterrupt ? 64 : bulkPacket;
            bytes.AddRange([7, 5, address, endpoint.IsInterrupt ? (byte)3 : (byte)2, (byte)packet, (byte)(packet >> 8), endpoint.IsInterrupt ? (byte)4 : (byte)0]);
            if (companion)
            {
                bytes.AddRange([6, 48, 0, 0, endpoint.IsInterrupt ? (byte)packet : (byte)0, 0]);
            }
        }

        return [.. bytes];
    }
}
