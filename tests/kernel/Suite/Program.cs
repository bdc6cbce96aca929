using System.Globalization;
using BulkIn.Bench;

// The suite inside the guest. The host's side of it, with the options a user sees, is tests/kernel/run.
//   KernelBench [--full] [--speed high|super] [--minutes N] [CASE…]
//                                                        runs cases, each in a process of its own
//   KernelBench --list | --expect [CASE…]                what there is; what a run would run
//   KernelBench --case CASE                              runs one case in this process
//   KernelBench --picture FILE                           draws the deadlock cases' timelines, from the results
//   KernelBench --forget WAY BUSPATH ENDPOINT            a program that disposes of nothing
//   KernelBench --virtual FILE | --gadget FILE           runs a device script until a key is pressed
bool full = false, list = false, expect = false;
BusSpeed speed = BusSpeed.Super;
string results = Path.Combine(Guest.Share, "results");
string? single = null, picture = null;
TimeSpan? duration = null;
List<string> names = [];
for (int index = 0; index < args.Length; index++)
{
    switch (args[index])
    {
        case "--full":
            full = true;
            break;
        case "--list":
            list = true;
            break;
        case "--expect":
            expect = true;
            break;
        case "--speed":
            speed = args[++index] == "high" ? BusSpeed.High : BusSpeed.Super;
            break;
        case "--minutes":
            duration = TimeSpan.FromMinutes(double.Parse(args[++index], CultureInfo.InvariantCulture));
            break;
        case "--results":
            results = args[++index];
            break;
        case "--case":
            single = args[++index];
            break;
        case "--picture":
            picture = args[++index];
            break;
        case "--forget":
            return await ForgetfulProgram.RunAsync(args[index + 1], args[index + 2], byte.Parse(args[index + 3], CultureInfo.InvariantCulture));
        case "--virtual" or "--gadget":
            return DeviceProgram.Run(args[index], args[index + 1]);
        default:
            names.Add(args[index]);
            break;
    }
}

if (list)
{
    foreach (BenchCase each in Catalogue.All)
    {
        string rows = each.Rows.Count > 0 ? $" [row {string.Join(", ", each.Rows.Select(row => row.Number))}]" : "";
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{each.Name,-34} {each.Promise}{rows}{(each.OnlyFull ? " (--full)" : "")}"));
    }

    SayWhatIsMissing();

    return 0;
}

if (picture is not null)
{
    const int Depth = 8;
    await File.WriteAllTextAsync(
        picture, DeadlockPicture.Draw(TimelineFile.Read(results, "deadlock-one-at-a-time"), TimelineFile.Read(results, $"deadlock-depth{Depth}"), Depth));
    return 0;
}

try
{
    if (single is not null)
    {
        return await SingleCase.RunAsync(Catalogue.All.First(each => each.Name == single), new CaseContext(speed, full, duration, results));
    }

    if (FaultMatrix.Flaws(Catalogue.All) is { Count: > 0 } flaws)
    {
        await Console.Error.WriteLineAsync(string.Join('\n', flaws));
        return 2;
    }

    IReadOnlyList<BenchCase> selected = Catalogue.Select(names, full);
    if (expect)
    {
        foreach (BenchCase each in selected)
        {
            Console.WriteLine(each.Name);
        }

        return 0;
    }

    if (names.Count == 0)
    {
        SayWhatIsMissing();
    }

    return new CaseRunner(speed, full, duration, results).Run(selected) == 0 ? 0 : 1;
}
catch (ArgumentException exception)
{
    await Console.Error.WriteLineAsync(exception.Message);
    return 2;
}

static void SayWhatIsMissing()
{
    if (!OptionalCases.HasLibUsbDotNet)
    {
        Console.WriteLine(OptionalCases.WithoutLibUsbDotNet);
    }
}
