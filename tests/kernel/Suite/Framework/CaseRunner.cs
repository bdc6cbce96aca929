using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace BulkIn.Bench;

/// <summary>
/// Runs cases one after the other, each in a process of its own, so that a crash, a hang or a leak is that case's and nobody else's. Prints a line for each
/// and writes the same to the report.
/// </summary>
internal sealed class CaseRunner(BusSpeed speed, bool full, TimeSpan? duration, string resultsDirectory)
{
    private const string Shim = $"{Guest.Share}/shim";

    private readonly string _report = Path.Combine(resultsDirectory, "report.tsv");
    private readonly string _contract = Path.Combine(Path.GetTempPath(), "contract-report");

    /// <summary>Runs the cases.</summary>
    /// <returns>How many failed.</returns>
    public int Run(IReadOnlyList<BenchCase> cases)
    {
        int failed = 0;
        var matrix = new FaultMatrix();
        ContractReport contract = ContractReport.Read([]);
        Console.WriteLine($"contract checker: every call of libusb goes through {Shim}/libusb-1.0.so.0, which ends the process at a broken rule");
        foreach (BenchCase each in cases)
        {
            long start = Stopwatch.GetTimestamp();
            (string? failure, string figures, ContractReport seen) = RunOne(each);
            Say(each, failure, figures, Stopwatch.GetElapsedTime(start));
            failed += failure is null ? 0 : 1;
            matrix.Add(each, failure is null);
            contract = contract.Plus(seen);
        }

        File.WriteAllLines(Path.Combine(resultsDirectory, "fault-matrix.txt"), matrix.Lines());
        Console.WriteLine($"contract checker: {contract}");
        return failed;
    }

    private (string? Failure, string Figures, ContractReport Contract) RunOne(BenchCase each)
    {
        File.Delete(_contract);
        var log = new KernelLog();
        BusSpeed used = each.Speed ?? speed;
        try
        {
            Guest.SetBusSpeed(used);
        }
        catch (IOException exception)
        {
            return (exception.Message, "", ContractReport.Read([]));
        }

        (int? exitCode, string output, string error) = RunProcess(each, used);
        string figures = string.Join("; ", output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        ContractReport contract = ContractReport.Read(File.Exists(_contract) ? File.ReadAllLines(_contract) : []);
        return (exitCode switch
        {
            null => $"did not end within {Limit(each).TotalSeconds:0} s{Because(error)}",
            0 when log.FirstTrouble(each.ExpectedLog) is { } trouble => $"the kernel complains: {trouble}",
            0 => contract.Objection(each),
            1 => error.Length > 0 ? error : "failed without a word",
            _ => $"crashed with {Signal(exitCode.Value)}{Because(error)}",
        }, figures, contract);
    }

    private (int? ExitCode, string Output, string Error) RunProcess(BenchCase each, BusSpeed used)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            ArgumentList = { "--case", each.Name, "--speed", used == BusSpeed.Super ? "super" : "high", "--results", resultsDirectory },
        };
        if (full)
        {
            start.ArgumentList.Add("--full");
        }

        if (duration is { } time)
        {
            start.ArgumentList.Add("--minutes");
            start.ArgumentList.Add(time.TotalMinutes.ToString(CultureInfo.InvariantCulture));
        }

        // One heap for all threads: each further one, of up to eight a processor, looks like memory that is not given back.
        start.Environment["MALLOC_ARENA_MAX"] = "1";

        // Found instead of the real one by everybody who asks for libusb by its name, the processes that the case starts included.
        start.Environment["LD_LIBRARY_PATH"] = Shim;
        start.Environment["SHIM_LIBUSB"] = $"{Shim}/real.so";
        start.Environment["SHIM_REPORT"] = _contract;
        start.Environment["SHIM_ALLOW"] = string.Join(',', each.Breaks);
        foreach ((string name, string value) in each.Environment)
        {
            start.Environment[name] = value;
        }

        using Process process = Process.Start(start)!;
        StringBuilder output = new(), error = new();
        process.OutputDataReceived += (_, line) => Hear(each, output, line.Data);
        process.ErrorDataReceived += (_, line) => Append(error, line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        if (!process.WaitForExit(Limit(each)))
        {
            process.Kill(entireProcessTree: true);
            // A process stuck in the kernel cannot be killed; the next case is then the one to find out.
            process.WaitForExit(TimeSpan.FromSeconds(10));
            return (null, Text(output), Text(error));
        }

        // Waits for the rest of the output as well.
        process.WaitForExit();
        return (process.ExitCode, Text(output), Text(error));
    }

    private static void Hear(BenchCase each, StringBuilder output, string? line)
    {
        if (line is not null && line.StartsWith(CaseContext.ProgressMark, StringComparison.Ordinal))
        {
            Console.WriteLine($"  {each.Name} {line}");
        }
        else
        {
            Append(output, line);
        }
    }

    private TimeSpan Limit(BenchCase each) =>
        (full ? each.FullTimeLimit ?? (10 * each.TimeLimit) : each.TimeLimit) + (each.RunsForMinutes ? duration ?? TimeSpan.Zero : TimeSpan.Zero);

    private void Say(BenchCase each, string? failure, string figures, TimeSpan time)
    {
        string rows = string.Join(",", each.Rows.Select(row => row.Number).Distinct().Select(row => row.ToString(CultureInfo.InvariantCulture)));
        string verdict = failure is null ? "PASS" : "FAIL";
        string line = string.Create(CultureInfo.InvariantCulture, $"{verdict} {each.Name,-34} {time.TotalSeconds,6:0.0} s  {(rows.Length > 0 ? $"[row {rows}] " : "")}{figures}");
        Console.WriteLine(line.TrimEnd());
        if (failure is not null)
        {
            Console.WriteLine($"     {each.Promise}\n     but: {failure.ReplaceLineEndings("\n          ")}");
        }

        // name, verdict, seconds, rows of the matrix, figures, failure
        string record = string.Create(
            CultureInfo.InvariantCulture,
            $"{each.Name}\t{(failure is null ? "pass" : "fail")}\t{time.TotalSeconds:0.0}\t{rows}\t{figures}\t{failure?.ReplaceLineEndings(" ").Replace('\t', ' ')}\n");
        File.AppendAllText(_report, record);
    }

    // A shell's way to tell which signal ended a process.
    private static string Signal(int exitCode) => exitCode switch
    {
        134 => "SIGABRT: glibc or libusb found its memory damaged, or an assertion failed",
        139 => "SIGSEGV: memory was used that was freed or never there",
        _ => $"exit code {exitCode}",
    };

    private static string Because(string error) => error.Length > 0 ? $": {error}" : "";

    private static void Append(StringBuilder text, string? line)
    {
        if (line is not null)
        {
            lock (text)
            {
                text.AppendLine(line);
            }
        }
    }

    private static string Text(StringBuilder text)
    {
        lock (text)
        {
            return text.ToString().Trim();
        }
    }
}
