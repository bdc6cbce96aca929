using System.Diagnostics;
using System.Globalization;

namespace BulkIn.Bench.Perf;

/// <summary>A process that does jobs: a line to it, a line of figures back. It lives for the whole run, so that nothing is measured cold.</summary>
internal sealed class Contestant : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly Process _process;

    /// <summary>Starts it.</summary>
    /// <param name="name">What it is called in messages.</param>
    /// <param name="command">The program and its arguments.</param>
    public Contestant(string name, params IReadOnlyList<string> command)
    {
        Name = name;
        _process = Process.Start(new ProcessStartInfo(command[0], command.Skip(1)) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
    }

    public string Name { get; }

    /// <summary>Has a job done.</summary>
    /// <returns>Its figures by name.</returns>
    /// <exception cref="CaseFailedException">It could not do it, or not in time.</exception>
    public async Task<IReadOnlyDictionary<string, double>> DoAsync(string job)
    {
        await _process.StandardInput.WriteLineAsync(job);
        await _process.StandardInput.FlushAsync();
        string? answer;
        try
        {
            answer = await _process.StandardOutput.ReadLineAsync().WaitAsync(Patience);
        }
        catch (TimeoutException)
        {
            throw new CaseFailedException($"{Name} did not end '{job}' within {Patience.TotalSeconds:0} s");
        }

        return answer is not null && !answer.StartsWith("error", StringComparison.Ordinal)
            ? answer.Split(' ', StringSplitOptions.RemoveEmptyEntries)
                .Select(figure => figure.Split('='))
                .ToDictionary(pair => pair[0], pair => double.Parse(pair[1], CultureInfo.InvariantCulture), StringComparer.Ordinal)
            : throw new CaseFailedException($"{Name} could not do '{job}': {answer ?? "it died"}");
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        if (!_process.WaitForExit(Patience))
        {
            _process.Kill();
        }

        _process.Dispose();
    }
}
