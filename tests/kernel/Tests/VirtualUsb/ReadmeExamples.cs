using BulkIn.VirtualUsb;

namespace BulkIn.KernelBenchTests;

/// <summary>What the README shows, compiled. It takes a kernel to run it.</summary>
public static class ReadmeExamples
{
    /// <summary>As a class.</summary>
    public static void PlugFunction()
    {
        var description = new DeviceDescription
        {
            VendorId = 0x17e9,
            ProductId = 0x6006,
            Interfaces = [new InterfaceDescription(0, [new EndpointDescription(0x02), new EndpointDescription(0x84)])],
        };
        using VirtualUsbDevice device = VirtualUsbDevice.Plug(description, new Echo());
        Console.WriteLine(device.SysfsPath);
    }

    /// <summary>As a script.</summary>
    public static void PlugScript()
    {
        using ScriptedFunction device = ScriptedFunction.Plug(UsbScript.Parse("""
            device 17e9:6006 super
            endpoint 0x02
            endpoint 0x84
            on 0x84
            data 64
            data 64 after 20ms
            fail stall
            data random
            repeat
            """));
    }
}
