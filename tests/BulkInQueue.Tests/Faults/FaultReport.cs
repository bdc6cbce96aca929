using System.Globalization;
using System.Reflection;
using System.Text;
using Xunit.Abstractions;
using Xunit.Sdk;

[assembly: Xunit.TestFramework("BulkIn.FaultReport", "BulkInQueue.Tests")]

namespace BulkIn;

/// <summary>Runs the tests as ever and, at the end, writes fault-matrix.txt beside the test assembly: each row of <see cref="FaultRows"/> with its level and result.</summary>
public sealed class FaultReport(IMessageSink messageSink) : XunitTestFramework(messageSink)
{
    public static string FilePath => Path.Combine(AppContext.BaseDirectory, "fault-matrix.txt");

    protected override ITestFrameworkExecutor CreateExecutor(AssemblyName assemblyName) =>
        new Executor(assemblyName, SourceInformationProvider, DiagnosticMessageSink);

    private sealed class Executor(AssemblyName name, ISourceInformationProvider source, IMessageSink diagnostics) : XunitTestFrameworkExecutor(name, source, diagnostics)
    {
        protected override void RunTestCases(IEnumerable<IXunitTestCase> testCases, IMessageSink executionMessageSink, ITestFrameworkExecutionOptions executionOptions)
        {
            Collector collector = new(executionMessageSink);
            base.RunTestCases(testCases, collector, executionOptions);
        }
    }

    private sealed class Collector(IMessageSink inner) : IMessageSink
    {
        private readonly Lock _gate = new();
        private readonly SortedDictionary<int, (int Passed, int Failed, int Skipped)> _rows = [];

        public bool OnMessage(IMessageSinkMessage message)
        {
            switch (message)
            {
                case ITestPassed passed:
                    Count(passed.TestCase, (1, 0, 0));
                    break;
                case ITestFailed failed:
                    Count(failed.TestCase, (0, 1, 0));
                    break;
                case ITestSkipped skipped:
                    Count(skipped.TestCase, (0, 0, 1));
                    break;
                case ITestAssemblyFinished:
                    Write();
                    break;
                default:
                    break;
            }

            return inner.OnMessage(message);
        }

        private void Count(ITestCase test, (int Passed, int Failed, int Skipped) result)
        {
            if (!test.Traits.TryGetValue(FaultRowDiscoverer.TraitName, out List<string>? rows))
            {
                return;
            }

            lock (_gate)
            {
                foreach (string text in rows)
                {
                    int row = int.Parse(text, CultureInfo.InvariantCulture);
                    (int passed, int failed, int skipped) = _rows.GetValueOrDefault(row);
                    _rows[row] = (passed + result.Passed, failed + result.Failed, skipped + result.Skipped);
                }
            }
        }

        private void Write()
        {
            StringBuilder text = new();
            lock (_gate)
            {
                if (_rows.Count == 0)
                {
                    return;
                }

                foreach ((int row, string title) in FaultRows.Titles)
                {
                    (int passed, int failed, int skipped) = _rows.GetValueOrDefault(row);
                    string result = failed > 0 ? "FAILED" : passed > 0 ? "passed" : skipped > 0 ? "skipped" : "not run";
                    text.Append(CultureInfo.InvariantCulture, $"{row,3}  simulated  {result,-8} {passed,3} of {passed + failed + skipped,3}  {title}\n");
                }
            }

            File.WriteAllText(FilePath, text.ToString());
        }
    }
}
