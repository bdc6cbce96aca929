using BulkIn.Gadgets;
using BulkIn.VirtualUsb;

namespace BulkIn.Bench;

/// <summary>A device script as a program of its own, for the guest's prompt.</summary>
internal static class DeviceProgram
{
    public static int Run(string kind, string file)
    {
        string text = File.ReadAllText(file);
        if (kind == "--virtual")
        {
            using ScriptedFunction function = ScriptedFunction.Plug(UsbScript.Parse(text));
            VirtualUsbDevice device = function.Device;
            Console.WriteLine($"{device.SysfsPath}: bus {device.BusNumber}, address {device.DeviceAddress}. Return unplugs.");
            Console.ReadLine();
        }
        else
        {
            using var gadget = new ScriptedGadget(GadgetScript.Parse(text));
            Console.WriteLine($"gadget {gadget.Device.SerialNumber}. Return wakes its tasks, end of input unplugs.");
            while (Console.ReadLine() is not null)
            {
                gadget.Wake();
            }
        }

        return 0;
    }
}
