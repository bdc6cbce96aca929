using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using BulkIn.LibUsb;
using Xunit;

namespace BulkIn.Tests.LibUsb;

/// <summary>The native structures, compared with what the C compiler makes of the installed header.</summary>
public sealed unsafe class NativeLayoutTests
{
    // C type, C field → our offset.
    private static readonly Dictionary<string, (int Size, (string Field, int Offset)[] Fields)> Ours = new(StringComparer.Ordinal)
    {
        ["struct libusb_transfer"] = (sizeof(NativeTransfer),
        [
            ("dev_handle", Offset<NativeTransfer>(t => &t->DevHandle)),
            ("flags", Offset<NativeTransfer>(t => &t->Flags)),
            ("endpoint", Offset<NativeTransfer>(t => &t->Endpoint)),
            ("type", Offset<NativeTransfer>(t => &t->Type)),
            ("timeout", Offset<NativeTransfer>(t => &t->Timeout)),
            ("status", Offset<NativeTransfer>(t => &t->Status)),
            ("length", Offset<NativeTransfer>(t => &t->Length)),
            ("actual_length", Offset<NativeTransfer>(t => &t->ActualLength)),
            ("callback", Offset<NativeTransfer>(t => &t->Callback)),
            ("user_data", Offset<NativeTransfer>(t => &t->UserData)),
            ("buffer", Offset<NativeTransfer>(t => &t->Buffer)),
            ("num_iso_packets", Offset<NativeTransfer>(t => &t->NumIsoPackets)),
        ]),
        ["struct libusb_device_descriptor"] = (sizeof(NativeDeviceDescriptor),
        [
            ("idVendor", Offset<NativeDeviceDescriptor>(t => &t->VendorId)),
            ("idProduct", Offset<NativeDeviceDescriptor>(t => &t->ProductId)),
            ("bcdDevice", Offset<NativeDeviceDescriptor>(t => &t->DeviceVersion)),
            ("iSerialNumber", Offset<NativeDeviceDescriptor>(t => &t->SerialNumberIndex)),
            ("bNumConfigurations", Offset<NativeDeviceDescriptor>(t => &t->NumConfigurations)),
        ]),
        ["struct libusb_config_descriptor"] = (sizeof(NativeConfigDescriptor),
        [
            ("wTotalLength", Offset<NativeConfigDescriptor>(t => &t->TotalLength)),
            ("bNumInterfaces", Offset<NativeConfigDescriptor>(t => &t->NumInterfaces)),
            ("bConfigurationValue", Offset<NativeConfigDescriptor>(t => &t->ConfigurationValue)),
            ("MaxPower", Offset<NativeConfigDescriptor>(t => &t->MaxPower)),
            ("interface", Offset<NativeConfigDescriptor>(t => &t->Interfaces)),
            ("extra", Offset<NativeConfigDescriptor>(t => &t->Extra)),
            ("extra_length", Offset<NativeConfigDescriptor>(t => &t->ExtraLength)),
        ]),
        ["struct libusb_interface"] = (sizeof(NativeInterface),
        [
            ("altsetting", Offset<NativeInterface>(t => &t->AlternateSettings)),
            ("num_altsetting", Offset<NativeInterface>(t => &t->NumAlternateSettings)),
        ]),
        ["struct libusb_interface_descriptor"] = (sizeof(NativeInterfaceDescriptor),
        [
            ("bInterfaceNumber", Offset<NativeInterfaceDescriptor>(t => &t->InterfaceNumber)),
            ("bAlternateSetting", Offset<NativeInterfaceDescriptor>(t => &t->AlternateSetting)),
            ("bNumEndpoints", Offset<NativeInterfaceDescriptor>(t => &t->NumEndpoints)),
            ("bInterfaceClass", Offset<NativeInterfaceDescriptor>(t => &t->InterfaceClass)),
            ("bInterfaceSubClass", Offset<NativeInterfaceDescriptor>(t => &t->InterfaceSubClass)),
            ("bInterfaceProtocol", Offset<NativeInterfaceDescriptor>(t => &t->InterfaceProtocol)),
            ("endpoint", Offset<NativeInterfaceDescriptor>(t => &t->Endpoints)),
            ("extra", Offset<NativeInterfaceDescriptor>(t => &t->Extra)),
            ("extra_length", Offset<NativeInterfaceDescriptor>(t => &t->ExtraLength)),
        ]),
        ["struct libusb_endpoint_descriptor"] = (sizeof(NativeEndpointDescriptor),
        [
            ("bEndpointAddress", Offset<NativeEndpointDescriptor>(t => &t->EndpointAddress)),
            ("bmAttributes", Offset<NativeEndpointDescriptor>(t => &t->Attributes)),
            ("wMaxPacketSize", Offset<NativeEndpointDescriptor>(t => &t->MaxPacketSize)),
            ("extra", Offset<NativeEndpointDescriptor>(t => &t->Extra)),
            ("extra_length", Offset<NativeEndpointDescriptor>(t => &t->ExtraLength)),
        ]),
    };

    private delegate void* FieldOf<T>(T* structure)
        where T : unmanaged;

    [SkippableFact]
    public void NativeStructures_ComparedWithTheInstalledHeader_HaveItsOffsetsAndSizes()
    {
        string directory = Directory.CreateTempSubdirectory("bulkinqueue-layout").FullName;
        try
        {
            string source = Path.Combine(directory, "layout.c");
            string program = Path.Combine(directory, "layout");
            File.WriteAllText(source, Source());
            (int compiled, string errors) = Run("cc", "-o", program, source);
            Skip.If(compiled == int.MinValue, "there is no C compiler (cc) on this machine");
            Skip.If(compiled != 0 && errors.Contains("libusb.h", StringComparison.Ordinal), "there is no libusb-1.0/libusb.h on this machine");
            Assert.True(compiled == 0, $"The layout program does not compile: {errors}");
            (int ran, string printed) = Run(program);
            Assert.True(ran == 0, $"The layout program ended with {ran}.");

            var expected = new StringWriter(CultureInfo.InvariantCulture);
            Print(expected, (type, field) => field is null ? Ours[type].Size : Ours[type].Fields.Single(own => own.Field == field).Offset);
            expected.WriteLine("type_control 0");
            expected.WriteLine("type_bulk 2");
            expected.WriteLine("type_interrupt 3");
            expected.WriteLine("status_overflow 6");
            expected.WriteLine($"error_not_supported {LibUsbCode.NotSupported}");
            expected.WriteLine($"error_other {LibUsbCode.Other}");
            Assert.Equal(expected.ToString().ReplaceLineEndings("\n"), printed.ReplaceLineEndings("\n"));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static int Offset<T>(FieldOf<T> field)
        where T : unmanaged
    {
        Unsafe.SkipInit(out T structure);
        return (int)((byte*)field(&structure) - (byte*)&structure);
    }

    private static void Print(StringWriter writer, Func<string, string?, int> value)
    {
        foreach ((string type, (int _, (string Field, int Offset)[] fields)) in Ours)
        {
            foreach ((string field, int _) in fields)
            {
                writer.WriteLine($"{type}.{field} {value(type, field)}");
            }

            writer.WriteLine($"{type} {value(type, null)}");
        }
    }

    private static string Source()
    {
        var source = new StringWriter(CultureInfo.InvariantCulture);
        source.WriteLine("#include <stddef.h>\n#include <stdio.h>\n#include <libusb-1.0/libusb.h>\nint main(void) {");
        foreach ((string type, (int _, (string Field, int Offset)[] fields)) in Ours)
        {
            foreach ((string field, int _) in fields)
            {
                source.WriteLine($"printf(\"{type}.{field} %d\\n\", (int)offsetof({type}, {field}));");
            }

            source.WriteLine($"printf(\"{type} %d\\n\", (int)sizeof({type}));");
        }

        source.WriteLine("printf(\"type_control %d\\ntype_bulk %d\\ntype_interrupt %d\\n\", LIBUSB_TRANSFER_TYPE_CONTROL, LIBUSB_TRANSFER_TYPE_BULK, LIBUSB_TRANSFER_TYPE_INTERRUPT);");
        source.WriteLine("printf(\"status_overflow %d\\n\", LIBUSB_TRANSFER_OVERFLOW);");
        source.WriteLine("printf(\"error_not_supported %d\\nerror_other %d\\n\", LIBUSB_ERROR_NOT_SUPPORTED, LIBUSB_ERROR_OTHER);");
        source.WriteLine("return 0; }");
        return source.ToString();
    }

    private static (int Code, string Output) Run(string program, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            Task<string> errors = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            Assert.True(process.WaitForExit(TimeSpan.FromSeconds(60)), $"{program} should have ended within 60 s.");
            return (process.ExitCode, output + errors.GetAwaiter().GetResult());
        }
        catch (Win32Exception)
        {
            return (int.MinValue, "");
        }
    }
}
