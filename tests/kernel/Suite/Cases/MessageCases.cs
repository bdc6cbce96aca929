using System.Globalization;
using System.Runtime.InteropServices;
using BulkIn.VirtualUsb;

namespace BulkIn.Bench;

/// <summary>What a user is told when the system refuses.</summary>
internal static partial class MessageCases
{
    private const string UsbfsLimit = "/sys/module/usbcore/parameters/usbfs_memory_mb";

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new("message.usbfs-limit", "A queue larger than the usbfs limit names the limit, the need and the file; a smaller one opens right after.", Limit) { Rows = [new FaultRow(15)] },
        new("message.wrong-endpoint", "An OUT, interrupt, absent or misaligned endpoint is an argument error before anything is posted.", WrongEndpoint) { Rows = [new FaultRow(11), new FaultRow(13)] },
        new("message.busy", "An interface that another program holds is Busy, with a hint.", Busy) { Rows = [new FaultRow(18)] },
        new("message.kernel-driver", "An interface that a kernel driver holds is Busy unless the driver may be detached.", KernelDriver) { Rows = [new FaultRow(18)] },
        new("message.no-permission", "A user without permission is told the udev rule.", NoPermission) { Rows = [new FaultRow(19)] },
    ];

    private static async Task Limit(CaseContext context)
    {
        const int Depth = 128;
        await using Rig rig = await Rig.GadgetAsync("in replies\ntask\nwrite replies 4000");
        string before = File.ReadAllText(UsbfsLimit);
        await File.WriteAllTextAsync(UsbfsLimit, "1");
        try
        {
            BulkInException refused = Refused(() => rig.OpenQueue(Depth));
            CaseContext.Figure($"{refused.Error} ({refused.NativeCode}): {refused.Message}");
            CaseContext.Require(refused.Error == BulkInError.OutOfMemory, $"the error is {refused.Error}");
            RequireSays(refused.Message, "usbfs_memory_mb");
            TeardownCases.RequireNothingOutstanding(rig);
            await using BulkInQueue queue = rig.OpenQueue(depth: 8);
            CaseContext.Require((await queue.RecvAsync(new byte[Rig.BufferLength], CaseContext.Patience)).IsData, "the smaller queue gets nothing");
        }
        finally
        {
            await File.WriteAllTextAsync(UsbfsLimit, before);
        }

        _ = context;
    }

    private static async Task WrongEndpoint(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync("in replies\nout commands\nin events interrupt");
        byte interrupt = rig.Device.Endpoints.First(endpoint => endpoint.Kind == "Interrupt").Address;
        byte absent = (byte)(0x81 + Enumerable.Range(0, 15).First(number => !rig.Device.Endpoints.Any(endpoint => endpoint.Address == 0x81 + number)));
        foreach ((string what, byte endpoint, int length) in new[] { ("OUT", rig.Out, Rig.BufferLength), ("absent", absent, Rig.BufferLength), ("misaligned", rig.In, 1000) })
        {
            string message = RefusedArgument(() => rig.Host.OpenBulkInQueue(endpoint, 4, length));
            CaseContext.Figure($"{what}: {message}");
            RequireSays(message, what == "misaligned" ? context.PacketSize.ToString(CultureInfo.InvariantCulture) : $"{endpoint:X2}");
        }

        // An interrupt IN endpoint is one that a queue may read.
        await using (BulkInQueue queue = rig.Host.OpenBulkInQueue(interrupt, 2, 64))
        {
            CaseContext.Require(queue.Statistics.Posted == 2, "an interrupt endpoint was not posted");
        }

        TeardownCases.RequireNothingOutstanding(rig);
        CaseContext.Require(rig.InTimeline.Submissions == 0, $"{rig.InTimeline.Submissions} transfers were posted at the bulk endpoint");
    }

    private static async Task Busy(CaseContext context)
    {
        await using Rig rig = await Rig.GadgetAsync("in silent");
        BulkInException refused = Refused(() => Rig.OpenHost(rig.Device));
        CaseContext.Figure($"{refused.Error} ({refused.NativeCode}): {refused.Message}");
        CaseContext.Require(refused.Error == BulkInError.Busy, $"the error is {refused.Error}");
        _ = context;
    }

    private static async Task KernelDriver(CaseContext context)
    {
        // The kernel's own test driver takes a device of this id as soon as it is plugged in.
        Guest.LoadModule("usbtest");
        using ScriptedFunction function = ScriptedFunction.Plug(UsbScript.Parse("device 0525:a4a4\nendpoint 0x02\nendpoint 0x84\non 0x84\ndata 4000"));
        string name = Path.GetFileName(function.Device.SysfsPath), bound = $"/sys/bus/usb/drivers/usbtest/{name}:1.0";
        await CaseContext.Until(() => Directory.Exists(bound), "the driver binds to the device");
        await using (LibUsbDevice host = LibUsbDevice.Open(name))
        {
            BulkInException refused = Refused(() => host.ClaimInterface(0, detachKernelDriver: false));
            CaseContext.Figure($"{refused.Error} ({refused.NativeCode}): {refused.Message}");
            CaseContext.Require(refused.Error == BulkInError.Busy, $"the error is {refused.Error}");
            host.ClaimInterface(0);
            await using BulkInQueue queue = host.OpenBulkInQueue(0x84, 4, Rig.BufferLength);
            CaseContext.Require((await queue.RecvAsync(new byte[Rig.BufferLength], CaseContext.Patience)).IsData, "nothing arrives once the driver is detached");
        }

        CaseContext.Require(Directory.Exists(bound), "the driver was not given its interface back");
        CaseContext.Figure("detached, used, attached again");
        _ = context;
    }

    private static async Task NoPermission(CaseContext context)
    {
        const uint Nobody = 65534;
        await using Rig rig = await Rig.GadgetAsync("in silent");
        await rig.Host.DisposeAsync();
        CaseContext.Require(SetEffectiveUser(Nobody) == 0, "the effective user cannot be changed");
        BulkInException refused;
        try
        {
            refused = Refused(() => LibUsbDevice.Open(Gadgets.FunctionFsDevice.VendorId, Gadgets.FunctionFsDevice.ProductId));
        }
        finally
        {
            _ = SetEffectiveUser(0);
        }

        CaseContext.Figure($"{refused.Error} ({refused.NativeCode}): {refused.Message}");
        CaseContext.Require(refused.Error == BulkInError.AccessDenied, $"the error is {refused.Error}");
        RequireSays(refused.Message, "1d6b");
        RequireSays(refused.Message, "uaccess");
        _ = context;
    }

    private static void RequireSays(string message, string piece) =>
        CaseContext.Require(message.Contains(piece, StringComparison.OrdinalIgnoreCase), $"the message does not say '{piece}': {message}");

    public static BulkInException Refused(Func<IAsyncDisposable> open)
    {
        try
        {
            _ = open();
        }
        catch (BulkInException exception)
        {
            return exception;
        }

        throw new CaseFailedException("it was allowed");
    }

    private static BulkInException Refused(Action act)
    {
        try
        {
            act();
        }
        catch (BulkInException exception)
        {
            return exception;
        }

        throw new CaseFailedException("it was allowed");
    }

    private static string RefusedArgument(Func<BulkInQueue> open)
    {
        try
        {
            _ = open();
        }
        catch (ArgumentException exception)
        {
            return exception.Message;
        }
        catch (BulkInException exception)
        {
            throw new CaseFailedException($"no argument error, but {exception.Error}: {exception.Message}");
        }

        throw new CaseFailedException("it was allowed");
    }

    // glibc's changes every thread of the process.
    [LibraryImport("libc", EntryPoint = "seteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetEffectiveUser(uint user);
}
